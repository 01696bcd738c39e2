"""Bulk reads and writes of students, for modules that import or export many."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from core.database import collection, read_majority
from modules.students.models import (
    Action,
    Erasure,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
    StudentVersionData,
)
from modules.students.records.write_batch import Write


async def find_many(roll_nos: Collection[str]) -> dict[str, StudentSnapshot]:
    """Return the students with these roll numbers, including deleted ones, by roll number."""
    found = read_majority(StudentDocument).find({"roll_no": {"$in": list(roll_nos)}, "erasing": None})
    return {stored["roll_no"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}


async def find_by_id(ids: Collection[ObjectId]) -> dict[ObjectId, StudentSnapshot]:
    """Return the students with these `_id`s, including deleted ones, by `_id`."""
    found = read_majority(StudentDocument).find({"_id": {"$in": list(ids)}, "erasing": None})
    return {stored["_id"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}


async def erased(ids: Collection[ObjectId]) -> set[ObjectId]:
    """Return which of these `_id`s belonged to students who have been erased."""
    if not ids:
        return set()
    found = collection(Erasure).find({"_id": {"$in": list(ids)}}, {"_id": 1})
    return {stored["_id"] for stored in await found.to_list(None)}


async def erased_since(moment: datetime) -> bool:
    """Return whether any erasure began or was completed at `moment` or later."""
    begun = await StudentDocument.find({"erasing.at": {"$gte": moment}}).exists()
    return begun or await Erasure.find({"at": {"$gte": moment}}).exists()


async def versions_of(wanted: Sequence[tuple[ObjectId, int]]) -> dict[ObjectId, StudentVersionData]:
    """Return replaced versions, given as pairs of student `_id` and version number, by the student's `_id`."""
    if not wanted:
        return {}
    clauses = [{"student": student, "version": version} for student, version in wanted]
    found = await StudentVersion.find({"$or": clauses}).to_list()
    return {ObjectId(version.student): version for version in found}


def created(content: dict[str, Any], *, by: str, source: str) -> Write:
    """Return the write of a new student; `content` must be validated."""
    return Write(None, StudentSnapshot.new(by, source, **content))


def changed(current: StudentSnapshot, content: dict[str, Any], *, by: str, source: str) -> Write:
    """Return the write of new content for a student; a deleted student is created again."""
    if current.deleted_at is None:
        return Write(current, current.successor(Action.UPDATED, by, source=source, **content))
    return Write(current, current.successor(Action.CREATED, by, source=source, deleted_at=None, **content))


def reverted(current: StudentSnapshot, before: StudentVersionData | None, *, by: str, source: str) -> Write:
    """Return the write that restores the version `before`, or deletes the student if that is None or deleted."""
    if before is None or before.deleted_at is not None:
        return Write(current, current.deleted(by, source))
    content = before.model_dump(include={"name", "branch", "marks"})
    return Write(current, current.successor(Action.RESTORED, by, source=source, deleted_at=None, **content))
