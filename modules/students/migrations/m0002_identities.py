"""Adds the identity keys, by which a student is recognized whose roll number is written differently or has changed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from beanie import Document, free_fall_migration
from bson import ObjectId

from core.database import bulk_update, collection
from modules.students.identities import identity_key
from modules.students.models import keys_of

_BATCH = 1_000

# Students whose keys were written by older code. Those that have no keys at all are left to m0001.
_OLD = {"keys.live": {"$exists": True}, "keys.identities": {"$exists": False}}

Row = Mapping[str, Any]


class _StoredStudent(Document):
    class Settings:
        name = "students"


class _StoredVersion(Document):
    class Settings:
        name = "student_history"


class Forward:
    """Complete the `keys` without identity keys, with those of the earlier roll numbers in the history."""

    @free_fall_migration(document_models=[_StoredStudent, _StoredVersion])
    async def complete(self, session: None) -> None:
        """Update in batches, and repeat until no such student is left: older code may still write some meanwhile."""
        while await _StoredStudent.find(_OLD).exists():
            async for batch in _batches():
                former = await _former_roll_nos([row["_id"] for row in batch])
                updates = [(_as_read(row), {"$set": _completed(row, former.get(row["_id"], []))}) for row in batch]
                await bulk_update(_StoredStudent, updates)


async def _batches() -> AsyncIterator[list[Row]]:
    query: dict[str, Any] = dict(_OLD)
    while batch := await collection(_StoredStudent).find(query).sort("_id", 1).limit(_BATCH).to_list(None):
        yield batch
        query["_id"] = {"$gt": batch[-1]["_id"]}


async def _former_roll_nos(students: Sequence[ObjectId]) -> dict[ObjectId, list[str]]:
    """Return the roll numbers in the history of each student, newest first."""
    by_roll_no = {"_id": {"student": "$student", "roll_no": "$roll_no"}, "newest": {"$max": "$version"}}
    pipeline = [{"$match": {"student": {"$in": students}}}, {"$group": by_roll_no}, {"$sort": {"newest": -1}}]
    former: dict[ObjectId, list[str]] = {}
    async for found in collection(_StoredVersion).aggregate(pipeline):
        former.setdefault(found["_id"]["student"], []).append(found["_id"]["roll_no"])
    return former


def _as_read(row: Row) -> dict[str, Any]:
    return {"_id": row["_id"], "version": row["version"], **_OLD}


def _completed(row: Row, former: Sequence[str]) -> dict[str, Any]:
    keys = keys_of(row).add_former([identity_key(roll_no) for roll_no in former])
    return {"keys.identities": keys.identities}
