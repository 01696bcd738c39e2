"""Adds the fields for lists, versions and the feed of changes to students of the first release, without history."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from beanie import Document, free_fall_migration

from core.database import bulk_update, collection
from modules.students.models import Action, StudentVersionData, keys_of

# The author of versions of the first release, which did not store it. No user can have this name.
UNKNOWN = "(unknown)"

_BATCH = 1_000

Row = Mapping[str, Any]


class _StoredStudent(Document):
    class Settings:
        name = "students"


class Forward:
    """Complete students without `keys`. Their earlier versions are unknown."""

    @free_fall_migration(document_models=[_StoredStudent])
    async def complete(self, session: None) -> None:
        """Update in batches, and repeat until no such student is left: older code may still write some meanwhile."""
        while await _StoredStudent.find({"keys": {"$exists": False}}).exists():
            async for batch in _batches():
                await bulk_update(_StoredStudent, [(_as_read(row), {"$set": _completed(row)}) for row in batch])


async def _batches() -> AsyncIterator[list[Row]]:
    query: dict[str, Any] = {"keys": {"$exists": False}}
    while batch := await collection(_StoredStudent).find(query).sort("_id", 1).limit(_BATCH).to_list(None):
        yield batch
        query["_id"] = {"$gt": batch[-1]["_id"]}


def _as_read(row: Row) -> dict[str, Any]:
    return {"_id": row["_id"], "version": row["version"], "keys": {"$exists": False}}


def _completed(row: Row) -> dict[str, Any]:
    action = Action.CREATED if row["version"] == 1 else Action.UPDATED
    record = StudentVersionData.model_validate({**row, "updated_by": UNKNOWN, "action": action}).model_dump()
    return {**record, "erasing": None, "keys": keys_of(record).model_dump(), "unsequenced": True}
