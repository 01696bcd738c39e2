"""The existing subjects and branches, read from indexes alone."""

from collections.abc import AsyncIterator, Sequence

from core.database import collection
from modules.analytics import query_concurrency
from modules.analytics.mark_counts import chosen
from modules.students import SUBJECT_SEPARATOR, StudentDocument


async def subjects(limit: int) -> list[str]:
    """Return the subjects with at least one mark, sorted. The search stops once more than `limit` are found."""
    found: set[str] = set()
    async for names in _distinct("keys.subjects"):
        found |= set(names.split(SUBJECT_SEPARATOR)) - {""}
        if len(found) > limit:
            break
    return sorted(found)


async def branches(limit: int) -> list[str]:
    """Return the branches with at least one student, in index order. The search stops at `limit` + 1."""
    found: list[str] = []
    async for branch in _distinct("branch"):
        found.append(branch)
        if len(found) > limit:
            break
    return sorted(found)


async def largest_branches(among: Sequence[str], limit: int) -> list[str]:
    """Return up to `limit` branches, largest first: of those in `among`, or of all if it is empty."""
    by_size = {"$sort": {"n": -1, "_id": 1}}
    counted = {"$group": {"_id": "$branch", "n": {"$sum": 1}}}
    rows = await query_concurrency.aggregate([{"$match": chosen(among)}, counted, by_size, {"$limit": limit}])
    return [row["_id"] for row in rows]


async def _distinct(path: str) -> AsyncIterator[str]:
    """Yield the distinct values of an indexed field. Some may belong to deleted students only."""
    async for row in collection(StudentDocument).aggregate([{"$group": {"_id": f"${path}"}}]):
        if row["_id"] is not None:
            yield row["_id"]
