"""Which subjects and which branches there are, read from indexes alone."""

from collections.abc import AsyncIterator, Sequence

from modules.analytics import query_concurrency
from modules.analytics.mark_counts import chosen
from modules.students import SUBJECT_SEPARATOR, StudentDocument


async def subjects(limit: int) -> list[str]:
    """The subjects that someone has a mark in, in order; more than `limit` are not looked for beyond one."""
    found: set[str] = set()
    async for names in _distinct("keys.subjects"):
        found |= set(names.split(SUBJECT_SEPARATOR)) - {""}
        if len(found) > limit:
            break
    return sorted(found)


async def branches(limit: int) -> list[str]:
    """The branches that someone is in, in order; more than `limit` are not looked for beyond one."""
    found: list[str] = []
    async for branch in _distinct("branch"):
        found.append(branch)
        if len(found) > limit:
            break
    return sorted(found)


async def largest_branches(among: Sequence[str], limit: int) -> list[str]:
    """Branches, those with the most students first: of the ones named, or of all."""
    by_size = {"$sort": {"n": -1, "_id": 1}}
    counted = {"$group": {"_id": "$branch", "n": {"$sum": 1}}}
    rows = await query_concurrency.aggregate([{"$match": chosen(among)}, counted, by_size, {"$limit": limit}])
    return [row["_id"] for row in rows]


async def _distinct(path: str) -> AsyncIterator[str]:
    """The values that an index holds. Some may be those of deleted students only."""
    async for row in StudentDocument.get_motor_collection().aggregate([{"$group": {"_id": f"${path}"}}]):
        if row["_id"] is not None:
            yield row["_id"]
