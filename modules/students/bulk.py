"""Changing students by the thousand, for modules that bring or take many: each by the same steps as one, each step for
all of them at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError

from core.collection import update_each
from modules.students.models import Action, Record, Student, StudentVersion

_DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class Write:
    """A student's current record, or None where there is none, and what is to take its place."""

    current: Student | None
    successor: Student


async def find_many(roll_nos: Collection[str]) -> dict[str, Student]:
    """The students with these roll numbers, deleted ones too, by roll number."""
    found = Student.get_motor_collection().find({"roll_no": {"$in": list(roll_nos)}, "erasing": None})
    return {stored["roll_no"]: Student.of(stored) for stored in await found.to_list(None)}


async def find_by_id(ids: Collection[ObjectId]) -> dict[ObjectId, Student]:
    """The students with these `_id`s, deleted ones too."""
    found = Student.get_motor_collection().find({"_id": {"$in": list(ids)}, "erasing": None})
    return {stored["_id"]: Student.of(stored) for stored in await found.to_list(None)}


async def versions_of(wanted: Sequence[tuple[ObjectId, int]]) -> dict[ObjectId, Record]:
    """These replaced versions, by the student's `_id`."""
    if not wanted:
        return {}
    clauses = [{"student": student, "version": version} for student, version in wanted]
    found = await StudentVersion.find({"$or": clauses}).to_list()
    return {ObjectId(version.student): version for version in found}


def created(content: dict[str, Any], *, by: str, source: str) -> Write:
    """A student who is not there yet; `content` has been checked."""
    return Write(None, Student.new(by, source, **content))


def changed(current: Student, content: dict[str, Any], *, by: str, source: str) -> Write:
    """Other content for a student; a deleted one is created again."""
    if current.deleted_at is None:
        return Write(current, current.successor(Action.UPDATED, by, source=source, **content))
    return Write(current, current.successor(Action.CREATED, by, source=source, deleted_at=None, **content))


def reverted(current: Student, before: Record | None, *, by: str, source: str) -> Write:
    """A student as it was in an earlier version; deleted, if it was not there, or deleted, then."""
    if before is None or before.deleted_at is not None:
        return Write(current, current.deleted(by, source))
    content = before.model_dump(include={"name", "branch", "marks"})
    return Write(current, current.successor(Action.RESTORED, by, source=source, deleted_at=None, **content))


async def write_all(writes: Sequence[Write]) -> list[Write]:
    """Store all of these, in a few commands; answers with those that could not be, as somebody else was faster."""
    creations = [one for one in writes if one.current is None]
    replacements = [one for one in writes if one.current is not None]
    return [*await _create(creations), *await _replace(replacements)]


async def _create(writes: list[Write]) -> list[Write]:
    if not writes:
        return []
    try:
        await Student.get_motor_collection().insert_many([_document(one.successor) for one in writes], ordered=False)
    except BulkWriteError as error:
        return [writes[index] for index in _duplicates(error)]
    return []


async def _replace(writes: list[Write]) -> list[Write]:
    if not writes:
        return []
    await _copy_to_history([one.current for one in writes if one.current])
    updates = [
        ({"_id": one.successor.id, "version": one.successor.version - 1}, {"$set": one.successor.stored()})
        for one in writes
    ]
    return [] if await update_each(Student, updates) == len(writes) else await _lost(writes)


async def _copy_to_history(students: list[Student]) -> None:
    copies = [{"student": student.id, **student.record()} for student in students]
    try:
        await StudentVersion.get_motor_collection().insert_many(copies, ordered=False)
    except BulkWriteError as error:
        _duplicates(error)  # copied already: a version never changes


async def _lost(writes: list[Write]) -> list[Write]:
    """Those of these replacements that were not made: theirs is neither the current version, nor in the history."""
    identity = {"student": 1, "version": 1, "source": 1, "updated_at": 1}
    ids = [one.successor.id for one in writes]
    current = await Student.get_motor_collection().find({"_id": {"$in": ids}, "erasing": None}, identity).to_list(None)
    gone = set(ids) - {row["_id"] for row in current}
    if gone:  # erased meanwhile, perhaps before the copies were made
        await StudentVersion.find({"student": {"$in": list(gone)}}).delete()
    clauses = [{"student": one.successor.id, "version": one.successor.version} for one in writes]
    past = await StudentVersion.get_motor_collection().find({"$or": clauses}, identity).to_list(None)
    made = {
        (row.get("student", row["_id"]), row["version"], row["source"], row["updated_at"]) for row in current + past
    }
    wanted = {
        (one.successor.id, one.successor.version, one.successor.source, one.successor.updated_at): one for one in writes
    }
    return [one for identity, one in wanted.items() if identity not in made]


def _document(student: Student) -> dict[str, Any]:
    return {"_id": student.id, **student.stored()}


def _duplicates(error: BulkWriteError) -> list[int]:
    """The places of the documents that were there already; raises the error if it tells of anything else."""
    failures = error.details["writeErrors"]
    if any(failure["code"] != _DUPLICATE_KEY for failure in failures) or error.details.get("writeConcernErrors"):
        raise error
    return [failure["index"] for failure in failures]
