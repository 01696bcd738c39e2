"""How a record is changed without losing what it was, in three commands of one document each.

Read the current version; copy it to the history; put its successor in its place, provided that it still is the current
version. A process that dies between two of them leaves at most a copy too many, of a version that is the current one
still: the history is read only up to the version before the current one, and the next write finds its copy made.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pymongo.errors import DuplicateKeyError

from core.collection import settled
from core.errors import NotFound, Problem, Unavailable
from core.etag import UNCONDITIONAL, Preconditions
from modules.students.models import Student, StudentVersion
from modules.students.schemas import StudentRead

# Each try fails only because another write of the same student succeeded.
MAX_TRIES = 100

PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and in which state they expect the record to be."""

    name: str
    expects: Preconditions = UNCONDITIONAL


Edit = Callable[[Student], Student | None]
"""Makes the successor of a record, or None where nothing is to change. It may run more than once."""


class StudentNotFound(NotFound):
    """There is no student with this roll number. `GET /students` lists them all; one who was deleted comes back with
    `POST /students/{roll_no}/restore`."""

    title = "No such student"


_SHOWN = (*StudentRead.model_fields, "version", "deleted_at", "erasing")


async def read(roll_no: str) -> Mapping[str, Any]:
    """What is shown of the student with this roll number, as it is stored; raises `StudentNotFound`, also for a deleted
    one."""
    return await _find(roll_no, _SHOWN)


async def get(roll_no: str) -> Student:
    """The student with this roll number; raises `StudentNotFound`, also for a deleted one."""
    return Student.of(await _find(roll_no))


async def get_also_deleted(roll_no: str) -> Student:
    """The student with this roll number, deleted or not; raises `StudentNotFound`."""
    return Student.of(await _find(roll_no, also_deleted=True))


async def _find(roll_no: str, fields: Sequence[str] | None = None, *, also_deleted: bool = False) -> Mapping[str, Any]:
    found = await Student.get_motor_collection().find_one({"roll_no": roll_no}, fields)
    return _present(found, roll_no, also_deleted=also_deleted)


def _present(found: Mapping[str, Any] | None, roll_no: str, *, also_deleted: bool) -> Mapping[str, Any]:
    if found is None or found["erasing"]:
        raise StudentNotFound(f"There is no student {roll_no}.")
    if found["deleted_at"] is not None and not also_deleted:
        raise StudentNotFound(f"There is no student {roll_no}: it was deleted, and can be restored.")
    return found


async def change(roll_no: str, edit: Edit, expects: Preconditions, *, also_deleted: bool = False) -> Student:
    """Replace the student's record by what `edit` makes of it, provided that it is as the client `expects`, in the
    very version that is replaced. Answers with the record as it is then.

    Raises `StudentNotFound`, `PreconditionFailed`, what `edit` raises, `DuplicateKeyError` for a new roll number that
    is taken, and `Unavailable` if other writes always come in between.
    """
    for _ in range(MAX_TRIES):
        found = await settled(Student).find_one({"roll_no": roll_no})
        try:
            student = Student.of(_present(found, roll_no, also_deleted=also_deleted))
            expects.check(student.etag)
            successor = edit(student)
        except Problem:
            if await _is_newest(found, roll_no):
                raise
            continue
        if successor is None:
            if await _is_newest(found, roll_no):
                return student
        elif await _replace(student, successor):
            return successor
    raise Unavailable("This student is being changed by too many at once.")


async def _is_newest(found: Mapping[str, Any] | None, roll_no: str) -> bool:
    """Whether the primary has nothing newer than what a majority is known to have. If it has, which is so while a write
    is being confirmed and just after an election, this waits a moment."""
    newest = await Student.get_motor_collection().find_one({"roll_no": roll_no}, ["version"])
    if (found and (found["_id"], found["version"])) == (newest and (newest["_id"], newest["version"])):
        return True
    await asyncio.sleep(PAUSE_SECONDS)
    return False


async def _replace(student: Student, successor: Student) -> bool:
    """Put `successor` in the place of `student`; whether that still was the current version."""
    await _copy_to_history(student)
    current = {"_id": student.id, "version": student.version}
    result = await Student.get_motor_collection().update_one(current, {"$set": successor.stored()})
    if not result.matched_count and not await Student.find({"_id": student.id, "erasing": None}).exists():
        # Erased meanwhile, perhaps before the copy was made.
        await StudentVersion.find(StudentVersion.student == student.id).delete()
    return bool(result.matched_count)


async def _copy_to_history(student: Student) -> None:
    with suppress(DuplicateKeyError):  # copied by a writer who came first, or who died: a version never changes
        await StudentVersion.get_motor_collection().insert_one({"student": student.id, **student.record()})
