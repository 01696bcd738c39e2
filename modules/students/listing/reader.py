"""Reading students, for other modules."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pymongo

from core.database import Filter, Position, Window, collection, operation_timeout, position_of
from modules.students.listing import pages
from modules.students.listing.filters import Selection
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records import store
from modules.students.subject_catalog.catalog import SubjectCatalog

COUNT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class StudentReader:
    """Reads the students of a selection: all of them by default."""

    selection: Selection = field(default_factory=Selection)

    async def count(self) -> int:
        """Return the number of selected students. Unlike a page, this takes longer the more students match."""
        with pymongo.timeout(COUNT_SECONDS):
            query = await pages.filter_of(self.selection)
            return int(await collection(StudentDocument).count_documents(query))

    async def pages(self, fields: Sequence[str], size: int = 1000) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the `fields` of all selected students in their order, in pages of `size`. Marks are under today's names
        of their subjects."""
        await SubjectCatalog.read()  # for the names of subjects in `sort`
        order = self.selection.order
        position: Position | None = None
        while True:
            with operation_timeout():
                page = await pages.list_(self.selection, Window(order, size, position), fields)
            position = position_of(order, page.items[-1]) if page.items else None
            yield _with_todays_subjects(page.items, await SubjectCatalog.read())
            if not page.has_next:
                return

    async def subjects(self, limit: int | None = None) -> list[str]:
        """Return the subjects in which the selected students have marks, in their declared order, the others by name.
        The search stops once more than `limit` are found."""
        chosen = await pages.filter_of(self.selection)
        is_all = chosen == await pages.filter_of(Selection())
        known, found = await SubjectCatalog.read(), set[str]()
        with operation_timeout():
            async for names in pages.subject_sets(None if is_all else chosen):
                found.update(map(known.name_of, names))
                if limit is not None and len(found) > limit:
                    break
        return known.sorted(found)

    @staticmethod
    async def get(roll_no: str) -> StudentSnapshot:
        """Return one student. Raise `StudentNotFound`."""
        return await store.get(roll_no)

    @staticmethod
    def mark_in(subject: str) -> Any:
        """Return the aggregation expression for a student's mark in a subject, given by its stored name: while marks
        are moved from earlier names, by the rules of `SubjectCatalog.respelled`."""
        known, mark = SubjectCatalog.current(), f"$marks.{subject}"
        earlier = known.names_in_marks(subject)[1:]
        return reduce(lambda found, name: known.rule_for(name).expression(found, f"$marks.{name}"), earlier, mark)

    @staticmethod
    async def without_marks(subjects: Sequence[str]) -> Filter:
        """Return the query of the students without a mark in any of these subjects."""
        return await pages.without_marks(subjects)


def _with_todays_subjects(rows: Sequence[dict[str, Any]], known: SubjectCatalog) -> list[dict[str, Any]]:
    """Return students with marks under today's names of their subjects, some of which are being renamed or merged."""
    if known.moving:
        for row in rows:
            if "marks" in row:
                row["marks"] = known.respelled(row["marks"])
    return list(rows)
