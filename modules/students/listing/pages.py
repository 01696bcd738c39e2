"""Pages of students. The cost of a page depends on its size and not on its position.

If no index has the requested sort order, only the index of its first key is used. One small query finds the last value
of that key on the page, so that the database sorts only the page and the students with that same last value.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

import pymongo

from core.database import (
    Filter,
    Order,
    Page,
    Position,
    SortKey,
    Window,
    beyond,
    collection,
    operation_timeout,
    position_of,
    sort_of,
)
from modules.students.listing.filters import Selection
from modules.students.models import SUBJECT_SEPARATOR, StudentDocument

Row = dict[str, Any]

# The maximum total size of the distinct sets of subjects; those of a usual school take a few kilobytes. Above it,
# students without a mark are found by examining each student.
MAX_SETS_BYTES = 1_000_000

LOWEST_MARK = 0

COUNT_SECONDS = 30


async def list_(selection: Selection, window: Window, fields: Iterable[str]) -> Page[Row]:
    """Return one page of the selected students, with `fields` and the fields of the sort order."""
    projection = {path.partition(".")[0]: 1 for path in [*fields, *(key.path for key in window.order)]} | {"_id": 0}
    base, wanted = await _filter(selection), window.limit + 1
    found: list[Row] = []
    async for part in _parts(base, window):
        found += await _read(part, wanted - len(found), projection)
        if len(found) == wanted:
            break
    return window.page(found)


async def count(selection: Selection) -> int:
    """Return the number of selected students. Unlike a page, this takes longer the more students match."""
    with pymongo.timeout(COUNT_SECONDS):
        return int(await collection(StudentDocument).count_documents(await _filter(selection)))


async def _filter(selection: Selection) -> Filter:
    missing = [await without_marks(selection.missing)] if selection.missing else []
    return {"$and": [selection.filter, *missing]}


async def without_marks(subjects: Sequence[str]) -> Filter:
    """Return the query of the students without a mark in any of these subjects.

    An index cannot find missing fields efficiently. But students have few distinct sets of subjects, and these are
    indexed as `keys.subjects`.
    """
    sets, size = [], 0
    distinct: list[Filter] = [{"$group": {"_id": "$keys.subjects"}}]
    async for found in collection(StudentDocument).aggregate(distinct):
        names: str | None = found["_id"]
        if names is not None:  # None for deleted students, unlike the empty string for no marks
            sets.append(names)
            size += len(names.encode())
        if size > MAX_SETS_BYTES:
            return {f"marks.{subject}": {"$exists": False} for subject in subjects}
    without = [names for names in sets if not set(subjects) & set(names.split(SUBJECT_SEPARATOR))]
    return {"keys.subjects": {"$in": without}}


Part = tuple[Filter, Order, Position | None]


async def _parts(base: Filter, window: Window) -> AsyncIterator[Part]:
    """Yield the queries of a page, to be read one after the other.

    A list sorted by marks has two parts, because the index on marks contains only students with a mark. The students
    without a mark come first in ascending order and last in descending order.
    """
    order, position = window.reading_order, window.position
    lead = order[0]
    if not lead.nullable:
        yield base, order, position
        return
    among_unmarked = position is not None and position[0] is None
    marked = {"$and": [base, {lead.path: {"$gte": LOWEST_MARK}}]}, order, None if among_unmarked else position
    if lead.descending and not among_unmarked:
        yield marked
    if lead.descending or among_unmarked or position is None:
        without_mark = await without_marks([lead.path.partition(".")[2]])
        yield {"$and": [base, without_mark]}, order[1:], position[1:] if position and among_unmarked else None
    if not lead.descending:
        yield marked


async def _read(part: Part, limit: int, projection: Filter) -> list[Row]:
    """Return up to `limit` students of one part, after its position."""
    base, order, position = part
    query = {"$and": [base, beyond(order, position)]} if position else base
    if not _is_indexed(order):
        farthest = await _farthest(base, order[0], position, limit)
        found = await _find({"$and": [query, *_between(order[0], position, farthest)]}, order, limit, projection)
        if farthest is None or len(found) == limit:
            return found
        # Students within the bound were deleted meanwhile: read without the bound, so that later ones are not missed.
    return await _find(query, order, limit, projection)


def _is_indexed(order: Order) -> bool:
    """Return whether an index has this order: one field and the roll number, both ascending or both descending."""
    directions = {key.descending for key in order}
    return len(order) <= 2 and len(directions) == 1 and not order[0].nullable


async def _farthest(base: Filter, lead: SortKey, position: Position | None, limit: int) -> Any:
    """Return the value of the first sort key that bounds this page, or None if there is no bound."""
    further = lead.beyond(position[0]) if position else {}
    if further is None:
        return None
    found = await _find({"$and": [base, further]}, (lead,), 1, {lead.path: 1, "_id": 0}, skip=limit - 1)
    return position_of((lead,), found[0])[0] if found else None


def _between(lead: SortKey, position: Position | None, farthest: Any) -> Iterator[Filter]:
    nearest = position[0] if position else None
    lowest, highest = (farthest, nearest) if lead.descending else (nearest, farthest)
    if lowest is not None:
        yield {lead.path: {"$gte": lowest}}
    if highest is not None:
        # A lower bound already excludes missing values; and an index cannot use a negation as a bound.
        without_too = lead.nullable and lowest is None
        yield {lead.path: {"$not": {"$gt": highest}} if without_too else {"$lte": highest}}


async def _find(query: Filter, order: Order, limit: int, projection: Filter, skip: int = 0) -> list[Row]:
    cursor = collection(StudentDocument).find(query, projection).sort(sort_of(order)).skip(skip).limit(limit)
    rows: list[Row] = await cursor.to_list(None)
    return rows


async def walk(selection: Selection, fields: Sequence[str], size: int = 1000) -> AsyncIterator[list[Row]]:
    """Yield all selected students in their order, in pages of `size`."""
    position: Position | None = None
    while True:
        with operation_timeout():
            page = await list_(selection, Window(selection.order, size, position), fields)
        yield list(page.items)
        if not page.has_next:
            return
        position = position_of(selection.order, page.items[-1])


async def subjects_of(selection: Selection) -> list[str]:
    """Return the subjects in which the selected students have marks, sorted."""
    chosen = await _filter(selection)
    # Without filters the index alone answers this; it has no values of deleted students.
    match: list[Filter] = [] if chosen == await _filter(Selection()) else [{"$match": chosen}]
    names: set[str] = set()
    with operation_timeout():
        async for found in collection(StudentDocument).aggregate([*match, {"$group": {"_id": "$keys.subjects"}}]):
            names.update((found["_id"] or "").split(SUBJECT_SEPARATOR))
    return sorted(names - {""})
