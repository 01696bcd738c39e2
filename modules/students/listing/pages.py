"""Pages of students. The cost of a page depends on its size and not on its position.

If no index has the requested sort order, only the index of its first key is used. One small query finds the last value
of that key on the page, so that the database sorts only the page and the students with that same last value.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from core.database import (
    Filter,
    Order,
    Page,
    Position,
    SortKey,
    Window,
    beyond,
    collection,
    position_of,
    sort_of,
)
from modules.students.listing.conditions import LOWEST_MARK, MARKS, MISSING, AnyOf, Condition, query_of
from modules.students.listing.filters import Selection
from modules.students.models import SUBJECT_SEPARATOR, StudentDocument
from modules.students.subject_catalog.catalog import SubjectCatalog

Row = dict[str, Any]

# The maximum total size of the distinct sets of subjects in a query; those of a usual school take a few kilobytes.
# Above it, students without a mark are found by examining each student.
MAX_SETS_BYTES = 1_000_000


async def list_(selection: Selection, window: Window, fields: Iterable[str]) -> Page[Row]:
    """Return one page of the selected students, with the stored `fields` and those that cursors need."""
    shown = [key.shown for key in window.order]
    # Of `marks` all, because MongoDB refuses a projection of a field and of one inside it.
    chosen = {path.partition(".")[0]: 1 for path in [*fields, *shown]}
    projection = {"_id": 0} | chosen
    base, wanted = await filter_of(selection), window.limit + 1
    found: list[Row] = []
    async for part in _parts(base, window):
        found += await _read(part, wanted - len(found), projection)
        if len(found) == wanted:
            break
    return window.page(found)


async def filter_of(selection: Selection) -> Filter:
    """Return the query of the selected students."""
    conditions = await _with_stored_subjects(selection.conditions)
    lists = sum(condition.field == MISSING for any_of in conditions for condition in any_of)
    sets = await _indexed_sets(lists) if lists else None
    known = SubjectCatalog.current()
    return query_of(conditions, lambda subject: _without_marks(known.names_in_marks(subject), sets))


async def _with_stored_subjects(conditions: Sequence[AnyOf]) -> Sequence[AnyOf]:
    """Return conditions with the stored names of their subjects, which may be written otherwise or by an alias. While
    a subject is renamed or merged, a mark under either name meets them."""
    if not any(_is_about_subject(one) for any_of in conditions for one in any_of):
        return conditions
    known = await SubjectCatalog.read()

    def stored(one: Condition) -> list[Condition]:
        if one.field == MISSING:
            return [replace(one, value=known.name_of(one.value))]
        names = known.names_in_marks(known.name_of(one.field.removeprefix(MARKS)))
        return [replace(one, field=MARKS + name) for name in names]

    return [
        tuple(found for one in any_of for found in (stored(one) if _is_about_subject(one) else [one]))
        for any_of in conditions
    ]


def _is_about_subject(condition: Condition) -> bool:
    return condition.field == MISSING or condition.field.startswith(MARKS)


async def without_marks(subjects: Sequence[str]) -> Filter:
    """Return the query of the students without a mark under any of these names of subjects."""
    return _without_marks(subjects, await _indexed_sets(1))


Sets = Sequence[Sequence[str]]


async def _indexed_sets(lists: int) -> Sets | None:
    """Return the distinct sets of subjects, or None if a query with this number of lists of them would be too long.

    An index cannot find missing fields efficiently. But students have few distinct sets of subjects, and these are
    indexed as `keys.subjects`.
    """
    sets, size = [], 0
    async for names in subject_sets():
        sets.append(names)
        size += lists * sum(len(name.encode()) + 1 for name in names)
        if size > MAX_SETS_BYTES:
            return None
    return sets


def _without_marks(subjects: Sequence[str], sets: Sets | None) -> Filter:
    if sets is None:
        return {f"marks.{subject}": {"$exists": False} for subject in subjects}
    without = [SUBJECT_SEPARATOR.join(names) for names in sets if not set(names) & set(subjects)]
    return {"keys.subjects": {"$in": without}}


async def subject_sets(match: Filter | None = None) -> AsyncIterator[list[str]]:
    """Yield each distinct set of subjects in which a student that matches has marks, sorted. Without `match`, an index
    alone answers this; deleted students have no set."""
    matching: list[Filter] = [{"$match": match}] if match else []
    async for found in collection(StudentDocument).aggregate([*matching, {"$group": {"_id": "$keys.subjects"}}]):
        if found["_id"] is not None:  # None for deleted students, unlike the empty string for no marks
            yield found["_id"].split(SUBJECT_SEPARATOR) if found["_id"] else []


async def counted_subject_sets() -> AsyncIterator[tuple[list[str], int]]:
    """Yield each distinct set of subjects, with the number of students who have marks in exactly these. An index alone
    answers this."""
    sets = [{"$match": {"keys.subjects": {"$gt": ""}}}, {"$group": {"_id": "$keys.subjects", "students": {"$sum": 1}}}]
    async for found in collection(StudentDocument).aggregate(sets):
        yield found["_id"].split(SUBJECT_SEPARATOR), found["students"]


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
    if not _is_surely_indexed(order):
        farthest = await _farthest(base, order[0], position, limit)
        found = await _find({"$and": [query, *_between(order[0], position, farthest)]}, order, limit, projection)
        if farthest is None or len(found) == limit:
            return found
        # Students within the bound were deleted meanwhile: read without the bound, so that later ones are not missed.
    return await _find(query, order, limit, projection)


def _is_surely_indexed(order: Order) -> bool:
    """Return whether the order is one field, other than a mark, and the roll number in the same direction, or the roll
    number alone: each of these has an index."""
    directions = {key.descending for key in order}
    return len(order) <= 2 and len(directions) == 1 and not order[0].nullable


async def _farthest(base: Filter, lead: SortKey, position: Position | None, limit: int) -> Any:
    """Return the value of the first sort key that bounds this page, or None if there is no bound."""
    further = lead.beyond(position[0]) if position else {}
    if further is None:
        return None
    found = await _find({"$and": [base, further]}, (lead,), 1, {lead.shown: 1, "_id": 0}, skip=limit - 1)
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
