"""The existing subjects and branches, read from indexes alone."""

from collections.abc import Sequence
from typing import Any

from core.database import collection
from modules.analytics import query_concurrency
from modules.analytics.mark_counts import students_in
from modules.students import StudentDocument, StudentReader


async def subjects(limit: int) -> list[str]:
    """Return the subjects with at least one mark, in their declared order, the others by name. The search
    stops once more than `limit` are found."""
    return await StudentReader().subjects(limit)


async def branches(limit: int) -> list[str]:
    """Return the branches with at least one student, in index order. The search stops at `limit` + 1."""
    by_branch: list[dict[str, Any]] = [{"$group": {"_id": "$branch"}}]  # some may belong to deleted students only
    found: list[str] = []
    async for row in collection(StudentDocument).aggregate(by_branch):
        found.append(row["_id"])
        if len(found) > limit:
            break
    return sorted(found)


async def largest_branches(among: Sequence[str], limit: int) -> list[str]:
    """Return up to `limit` branches, largest first: of those in `among`, or of all if it is empty."""
    by_size = {"$sort": {"n": -1, "_id": 1}}
    counted = {"$group": {"_id": "$branch", "n": {"$sum": 1}}}
    rows = await query_concurrency.aggregate([{"$match": students_in(among)}, counted, by_size, {"$limit": limit}])
    return [row["_id"] for row in rows]
