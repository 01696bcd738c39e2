"""Which subjects and which branches there are, read from indexes alone."""

from collections.abc import AsyncIterator, Sequence

from modules.analytics import heavy
from modules.analytics.counting import chosen
from modules.students import Student

# Joins the subjects of a student in `keys.subjects`; no subject contains it.
_SEPARATOR = "."


async def subjects(limit: int) -> list[str]:
    """The subjects that someone has a mark in, in order; more than `limit` are not looked for beyond one."""
    found: set[str] = set()
    async for names in _distinct("keys.subjects"):
        found |= set(names.split(_SEPARATOR)) - {""}
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
    rows = await heavy.aggregate([{"$match": chosen(among)}, counted, by_size, {"$limit": limit}])
    return [row["_id"] for row in rows]


async def sets_without(subject: str, limit: int) -> list[str] | None:
    """The values of `keys.subjects` of students without a mark in a subject; None if there are more than `limit`
    bytes of values to look at."""
    seen, without = 0, []
    async for names in _distinct("keys.subjects"):
        seen += len(names.encode())
        if seen > limit:
            return None
        if subject not in names.split(_SEPARATOR):
            without.append(names)
    return without


async def _distinct(path: str) -> AsyncIterator[str]:
    """The values that an index holds. Some may be those of deleted students only."""
    async for row in Student.get_motor_collection().aggregate([{"$group": {"_id": f"${path}"}}]):
        if row["_id"] is not None:
            yield row["_id"]
