"""Pages of students, each read at a cost that depends on its size and not on where it lies.

Where no index holds the very order that is asked for, it is sorted by its first key only. One small query then finds
how far that key goes on this page, so that the database has no more to sort than the page and what is level with its
end.
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
    operation_timeout,
    position_of,
    sort_of,
)
from modules.students.listing.filters import Selection
from modules.students.models import SUBJECT_SEPARATOR, StudentDocument

Row = dict[str, Any]

# How much the sets of subjects that students have may be together; a school's timetables are a few kilobytes. With
# more, those without a mark are found one by one.
MAX_SETS_BYTES = 1_000_000

LOWEST_MARK = 0

COUNT_SECONDS = 30


async def list_(selection: Selection, window: Window, fields: Iterable[str]) -> Page[Row]:
    """One page of the selected students: those `fields` of each, and the ones that it is sorted by."""
    projection = {path.partition(".")[0]: 1 for path in [*fields, *(key.path for key in window.order)]} | {"_id": 0}
    base, wanted = await _filter(selection), window.limit + 1
    found: list[Row] = []
    async for part in _parts(base, window):
        found += await _read(part, wanted - len(found), projection)
        if len(found) == wanted:
            break
    return window.page(found)


async def count(selection: Selection) -> int:
    """How many students are selected. Counting is the one thing here that takes longer the more there are."""
    with pymongo.timeout(COUNT_SECONDS):
        return int(await StudentDocument.get_motor_collection().count_documents(await _filter(selection)))


async def _filter(selection: Selection) -> Filter:
    missing = [await without_marks(selection.missing)] if selection.missing else []
    return {"$and": [selection.filter, *missing]}


async def without_marks(subjects: Sequence[str]) -> Filter:
    """What selects the students without a mark in any of these subjects. No index knows what is not there; but the
    subjects that a student has are one of a few sets."""
    sets, size = [], 0
    distinct: list[Filter] = [{"$group": {"_id": "$keys.subjects"}}]
    async for found in StudentDocument.get_motor_collection().aggregate(distinct):
        names: str | None = found["_id"]
        if names is not None:  # a deleted student has no set, not even an empty one
            sets.append(names)
            size += len(names.encode())
        if size > MAX_SETS_BYTES:
            return {f"marks.{subject}": {"$exists": False} for subject in subjects}
    without = [names for names in sets if not set(subjects) & set(names.split(SUBJECT_SEPARATOR))]
    return {"keys.subjects": {"$in": without}}


Part = tuple[Filter, Order, Position | None]


async def _parts(base: Filter, window: Window) -> AsyncIterator[Part]:
    """What is to be read, one after the other. A list by marks has two parts, as an index on marks holds only those
    who have one: those without come first where the order rises, and last where it falls."""
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
    """Up to `limit` students of one part, from its position on."""
    base, order, position = part
    query = {"$and": [base, beyond(order, position)]} if position else base
    if not _is_indexed(order):
        farthest = await _farthest(base, order[0], position, limit)
        found = await _find({"$and": [query, *_between(order[0], position, farthest)]}, order, limit, projection)
        if farthest is None or len(found) == limit:
            return found
        # Some of those counted on have gone since: what lies behind them must not seem to be absent.
    return await _find(query, order, limit, projection)


def _is_indexed(order: Order) -> bool:
    """Whether an index holds this very order: that of one field and the roll number, both rising or both falling."""
    directions = {key.descending for key in order}
    return len(order) <= 2 and len(directions) == 1 and not order[0].nullable


async def _farthest(base: Filter, lead: SortKey, position: Position | None, limit: int) -> Any:
    """The value of an order's first key behind which nothing can be on this page; None if there is no such value."""
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
        # Where there is a lowest one, those without are out already; and of a negation an index makes no bound.
        without_too = lead.nullable and lowest is None
        yield {lead.path: {"$not": {"$gt": highest}} if without_too else {"$lte": highest}}


async def _find(query: Filter, order: Order, limit: int, projection: Filter, skip: int = 0) -> list[Row]:
    cursor = StudentDocument.get_motor_collection().find(query, projection).sort(sort_of(order)).skip(skip).limit(limit)
    rows: list[Row] = await cursor.to_list(None)
    return rows


async def walk(selection: Selection, fields: Sequence[str], size: int = 1000) -> AsyncIterator[list[Row]]:
    """All selected students, page by page, in their order."""
    position: Position | None = None
    while True:
        with operation_timeout():
            page = await list_(selection, Window(selection.order, size, position), fields)
        yield list(page.items)
        if not page.has_next:
            return
        position = position_of(selection.order, page.items[-1])


async def subjects_of(selection: Selection) -> list[str]:
    """The subjects in which the selected students have marks, in order."""
    chosen = await _filter(selection)
    # Of all students an index tells it at once; it knows nothing of the deleted ones.
    match: list[Filter] = [] if chosen == await _filter(Selection()) else [{"$match": chosen}]
    names: set[str] = set()
    with operation_timeout():
        async for found in StudentDocument.get_motor_collection().aggregate(
            [*match, {"$group": {"_id": "$keys.subjects"}}]
        ):
            names.update((found["_id"] or "").split(SUBJECT_SEPARATOR))
    return sorted(names - {""})
