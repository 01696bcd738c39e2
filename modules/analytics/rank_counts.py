"""Counts of students for ranks: how many have a higher value, the same value, or no value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.database import Filter, collection
from modules.analytics import query_concurrency
from modules.analytics.mark_counts import students_in
from modules.analytics.ranking_measure import Measure
from modules.students import StudentDocument, StudentReader

LIVE: Filter = {"keys.live": True}


@dataclass(frozen=True, slots=True)
class RankCounts:
    """Numbers of students, relative to a page of values in descending order.

    higher         students with a value above the first one
    equal_first    students with the first value
    equal_last     students with the last value
    unranked       students without a value
    """

    higher: int
    equal_first: int
    equal_last: int
    unranked: int


async def count_all(measure: Measure, first: float, last: float) -> RankCounts:
    """Count among all students, using indexes."""
    condition = LIVE if measure.subject is None else {}
    higher, equal_first, equal_last = [
        await _matching(condition | {measure.path: bound}) for bound in ({"$gt": first}, first, last)
    ]
    unranked = await _unranked(measure)
    if measure.subject is None:
        return RankCounts(higher, equal_first, equal_last, unranked)
    # The index on marks contains deleted students. Counting and subtracting them is 15 times faster than a filter by
    # `keys.live`, which would read each student.
    deleted = await _count_by_reading({"keys.live": False}, measure, first, last)
    return RankCounts(
        higher - deleted.higher, equal_first - deleted.equal_first, equal_last - deleted.equal_last, unranked
    )


async def count_in_branches(branches: Sequence[str], measure: Measure, first: float, last: float) -> RankCounts:
    """Count among the students of some branches. All of them are read, because no index has the values by branch.

    Call it inside `query_concurrency.query_slot()`.
    """
    return await _count_by_reading(students_in(branches), measure, first, last)


async def _count_by_reading(among: Filter, measure: Measure, first: float, last: float) -> RankCounts:
    """Count by reading the students that match `among`."""
    value = f"${measure.path}"
    # In an aggregation, a missing value compares as less than any number.
    conditions = {
        "higher": {"$gt": [value, first]},
        "equal_first": {"$eq": [value, first]},
        "equal_last": {"$eq": [value, last]},
        "unranked": {"$lt": [value, 0]},
    }
    sums: dict[str, Any] = {name: {"$sum": {"$cond": [condition, 1, 0]}} for name, condition in conditions.items()}
    rows = await query_concurrency.aggregate([{"$match": among}, {"$group": {"_id": None, **sums}}])
    return RankCounts(**{name: rows[0][name] if rows else 0 for name in conditions})


async def _unranked(measure: Measure) -> int:
    if measure.subject is None:
        return await _matching(LIVE | {measure.path: None})
    return await _matching(LIVE | await StudentReader.without_marks([measure.subject]))


async def _matching(query: Filter) -> int:
    return int(await collection(StudentDocument).count_documents(query))
