"""Counts of students for ranks: how many have a higher value, the same value, or no value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.database import Filter, collection
from modules.analytics import query_concurrency
from modules.analytics.mark_counts import chosen
from modules.analytics.ranking_measure import Measure
from modules.students import StudentDocument, StudentReader

LIVE: Filter = {"keys.live": True}


@dataclass(frozen=True, slots=True)
class Places:
    """Numbers of students, relative to a page of values in descending order.

    better      students with a value above the first one
    first       students with the first value
    last        students with the last value
    unranked    students without a value
    """

    better: int
    first: int
    last: int
    unranked: int


async def among_all(measure: Measure, first: float, last: float) -> Places:
    """Count among all students, using indexes."""
    condition = LIVE if measure.subject is None else {}
    better, level, level_last = [
        await _matching(condition | {measure.path: bound}) for bound in ({"$gt": first}, first, last)
    ]
    unranked = await _unranked(measure)
    if measure.subject is None:
        return Places(better, level, level_last, unranked)
    # The index on marks contains deleted students. Counting and subtracting them is 15 times faster than a filter by
    # `keys.live`, which would read each student.
    gone = await _summed({"keys.live": False}, measure, first, last)
    return Places(better - gone.better, level - gone.first, level_last - gone.last, unranked)


async def among(branches: Sequence[str], measure: Measure, first: float, last: float) -> Places:
    """Count among the students of some branches. All of them are read, because no index has the values by branch.

    Call it inside `query_concurrency.turn()`.
    """
    return await _summed(chosen(branches), measure, first, last)


async def _summed(among: Filter, measure: Measure, first: float, last: float) -> Places:
    """Count by reading the students that match `among`."""
    value = f"${measure.path}"
    # In an aggregation, a missing value compares as less than any number.
    conditions = {
        "better": {"$gt": [value, first]},
        "first": {"$eq": [value, first]},
        "last": {"$eq": [value, last]},
        "unranked": {"$lt": [value, 0]},
    }
    sums: dict[str, Any] = {name: {"$sum": {"$cond": [held, 1, 0]}} for name, held in conditions.items()}
    rows = await query_concurrency.aggregate([{"$match": among}, {"$group": {"_id": None, **sums}}])
    return Places(**{name: rows[0][name] if rows else 0 for name in conditions})


async def _unranked(measure: Measure) -> int:
    if measure.subject is None:
        return await _matching(LIVE | {measure.path: None})
    return await _matching(LIVE | await StudentReader.without_marks([measure.subject]))


async def _matching(query: Filter) -> int:
    return int(await collection(StudentDocument).count_documents(query))
