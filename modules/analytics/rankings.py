"""Rankings of students, as standard competition ranking: 1, 2, 2, 4."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from core.database import Filter, Order, Page, Position, Window, collection, position_of, sort_of
from modules.analytics import query_concurrency, rank_counts
from modules.analytics.mark_counts import students_in
from modules.analytics.rank_counts import RankCounts
from modules.analytics.ranking_measure import Measure
from modules.analytics.schemas import RankedStudent
from modules.analytics.standing import rank_after
from modules.students import MarkFigures, StudentDocument

Row = dict[str, Any]

WALKED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Ranking:
    """The students with a value, best first; of some branches, or of all if none is given."""

    measure: Measure
    branches: Sequence[str] = ()
    figures: MarkFigures = field(default_factory=MarkFigures)

    @property
    def tells_maximum(self) -> bool:
        """Whether the highest possible value must be told, because it is not the same in all rankings."""
        return not self.figures.is_plain

    def maximum(self, row: Row) -> int | float:
        """Return the highest value that a ranked student could have: for the total, in the subjects with marks."""
        return self.measure.maximum(row, self.figures)

    async def page(self, window: Window) -> tuple[Page[Row], list[RankedStudent], int]:
        """Return one page, as stored and as displayed, and the number of students without a value, who have no rank."""
        async with self._limits():
            page = window.page(await self._read(window))
            values = [self.measure.stored(row) for row in page.items]
            counted = await self._count(values)
            return page, list(self._ranked(page.items, values, counted)), counted.unranked

    async def counts(self) -> tuple[int, int]:
        """Return the numbers of students with a value and without one."""
        async with self._limits():
            counted = await self._count([])
        return counted.higher + counted.equal_first, counted.unranked

    async def walk(self) -> AsyncIterator[list[Row]]:
        """Yield all students with a value in pages, as stored, best first."""
        window = Window(self.measure.order, WALKED_AT_ONCE)
        while True:
            async with self._limits():
                page = window.page(await self._read(window))
            yield list(page.items)
            if not page.has_next:
                return
            window = replace(window, position=position_of(window.order, page.items[-1]))

    @asynccontextmanager
    async def _limits(self) -> AsyncIterator[None]:
        """Allow queries more time, and only few at once if they read all students of the branches: no index has the
        values by branch."""
        if self.branches:
            async with query_concurrency.query_slot():
                yield
        else:
            with query_concurrency.extended_timeout():
                yield

    async def _read(self, window: Window) -> list[Row]:
        """Return the rows of the page, and one more.

        Students with the same value are read in order of roll number, from one index, and values in order from another
        index. So never more than a page is sorted.
        """
        wanted = window.limit + 1
        lead, _ = window.reading_order
        rows = await self._with_value(window, window.position, wanted) if window.position else []
        if len(rows) == wanted:
            return rows
        further = lead.beyond(window.position[0]) if window.position else {}
        ahead = await self._find(further or {}, window.reading_order[:1], wanted - len(rows))
        if len(rows) + len(ahead) < wanted:
            return rows + self._sorted(ahead, window)
        # Other students may have the last value and roll numbers before those found.
        last = self.measure.stored(ahead[-1])
        rows += self._sorted([row for row in ahead if self.measure.stored(row) != last], window)
        return rows + await self._with_value(window, (last, None), wanted - len(rows))

    async def _with_value(self, window: Window, position: Position, limit: int) -> list[Row]:
        """Return students with the same value, after a roll number."""
        value, roll_no = position
        _, tie = window.reading_order
        further = tie.beyond(roll_no) if roll_no is not None else None
        return await self._find({self.measure.path: value} | (further or {}), (tie,), limit)

    def _sorted(self, rows: list[Row], window: Window) -> list[Row]:
        """Sort rows in reading order."""
        rows.sort(key=lambda row: row["roll_no"], reverse=window.backwards)
        rows.sort(key=self.measure.stored, reverse=not window.backwards)
        return rows

    async def _find(self, query: Filter, order: Order, limit: int) -> list[Row]:
        told = {"marks": 1} if self.measure.is_total and self.tells_maximum else {}
        projection = {"_id": 0, "roll_no": 1, "name": 1, "branch": 1, self.measure.path: 1, **told}
        among = {"$and": [students_in(self.branches), {self.measure.path: {"$gte": 0}}, query]}
        cursor = collection(StudentDocument).find(among, projection).sort(sort_of(order)).limit(limit)
        rows: list[Row] = await cursor.to_list(None)
        return rows

    async def _count(self, values: Sequence[float]) -> RankCounts:
        first, last = (values[0], values[-1]) if values else (0, 0)
        if self.branches:
            return await rank_counts.count_in_branches(self.branches, self.measure, first, last)
        return await rank_counts.count_all(self.measure, first, last)

    def _ranked(self, rows: Sequence[Row], values: Sequence[float], counted: RankCounts) -> Iterator[RankedStudent]:
        """Yield the rows with their ranks. The first rank is counted by the database, and the others follow from it.

        Only the first and the last value of a page can be shared with students on other pages.
        """
        equal = Counter(values)
        if values:
            equal[values[0]], equal[values[-1]] = counted.equal_first, counted.equal_last
        higher, before = counted.higher, None
        for row, value in zip(rows, values, strict=True):
            if before is not None and value != before:
                higher += equal[before]
            before = value
            yield self._shown(row, rank_after(higher), equal[value] > 1)

    def _shown(self, row: Row, rank: int, tied: bool) -> RankedStudent:
        value = self.measure.shown(self.measure.stored(row))
        told = {"out_of": self.maximum(row)} if self.tells_maximum else {}
        return RankedStudent(
            rank=rank, tied=tied, roll_no=row["roll_no"], name=row["name"], branch=row["branch"], value=value, **told
        )
