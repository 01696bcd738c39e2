"""How many students come before a value, how many share it, and how many have none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.database import Filter
from modules.analytics import query_concurrency
from modules.analytics.mark_counts import chosen
from modules.analytics.ranking_measure import Measure
from modules.students import StudentDocument, without_marks

LIVE: Filter = {"keys.live": True}


@dataclass(frozen=True, slots=True)
class Places:
    """Numbers of students, for a row of values, best first.

    better      have more than the first value
    first       have the first value
    last        have the last value
    unranked    have none
    """

    better: int
    first: int
    last: int
    unranked: int


async def among_all(measure: Measure, first: float, last: float) -> Places:
    """Counted in indexes, among all students."""
    condition = LIVE if measure.subject is None else {}
    better, level, level_last = [
        await _matching(condition | {measure.path: bound}) for bound in ({"$gt": first}, first, last)
    ]
    unranked = await _unranked(measure)
    if measure.subject is None:
        return Places(better, level, level_last, unranked)
    # The index on marks knows nothing of deletions, and to look each student up takes 15 times as long.
    gone = await _summed({"keys.live": False}, measure, first, last)
    return Places(better - gone.better, level - gone.first, level_last - gone.last, unranked)


async def among(branches: Sequence[str], measure: Measure, first: float, last: float) -> Places:
    """Counted among the students of some branches, who are all read, as no index knows their values; call it in a
    `heavy.turn()`."""
    return await _summed(chosen(branches), measure, first, last)


async def _summed(among: Filter, measure: Measure, first: float, last: float) -> Places:
    """Counted by reading the students."""
    value = f"${measure.path}"
    # Nothing is less than any number.
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
    return await _matching(LIVE | await without_marks([measure.subject]))


async def _matching(query: Filter) -> int:
    return int(await StudentDocument.get_motor_collection().count_documents(query))
