"""How the record of a student is found, and changed without losing what it was."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.api import UNCONDITIONAL, Preconditions
from core.database import Batcher, read_majority
from core.errors import Conflict, FieldError, NotFound, Problem, Unavailable
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.write_batch import Outcome, Write, write
from modules.students.schemas import StudentRead

# Each try fails only because another write of the same student succeeded.
MAX_TRIES = 100

PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and in which state they expect the record to be."""

    name: str
    expects: Preconditions = UNCONDITIONAL


Edit = Callable[[StudentSnapshot], StudentSnapshot | None]
"""Makes the successor of a record, or None where nothing is to change. It may run more than once."""


class StudentNotFound(NotFound):
    """There is no student with this roll number. `GET /students` lists them all; one who was deleted comes back with
    `POST /students/{roll_no}/restore`."""

    title = "No such student"


class RollNoTaken(Conflict):
    """Another student has this roll number. Choose another one, or change that student instead. The number of a deleted
    student is free only for creating that one again."""

    title = "Roll number taken"


def taken(roll_no: str, detail: str = "Another student has this roll number.") -> RollNoTaken:
    """The problem that a roll number is taken, which points at it."""
    errors = [FieldError(detail=detail, pointer="#/roll_no")]
    return RollNoTaken(f"There already is a student {roll_no}.", errors=errors)


_SHOWN = (*StudentRead.model_fields, "version", "deleted_at", "erasing")

_Stored = Mapping[str, Any]


def _finder(collection: Callable[[], Any], fields: Sequence[str] | None = None) -> Batcher[str, _Stored | None]:
    """Finds a student by the roll number, together with others that are looked for at the same moment; of each only
    these fields."""

    async def find(roll_nos: Sequence[str]) -> list[_Stored | None]:
        found = collection().find({"roll_no": {"$in": list(set(roll_nos))}}, fields)
        by_roll_no = {stored["roll_no"]: stored for stored in await found.to_list(None)}
        return [by_roll_no.get(roll_no) for roll_no in roll_nos]

    return Batcher(find)


_find_shown = _finder(StudentDocument.get_motor_collection, _SHOWN)
_find_whole = _finder(StudentDocument.get_motor_collection)
# What is built upon must be there for good: what a dying primary alone had would stay in the history for ever.
_find_settled = _finder(lambda: read_majority(StudentDocument))


async def read(roll_no: str) -> _Stored:
    """What is shown of the student with this roll number, as it is stored; raises `StudentNotFound`, also for a deleted
    one."""
    return _not_deleted(roll_no, _existing(roll_no, await _find_shown(roll_no)))


async def get(roll_no: str) -> StudentSnapshot:
    """The student with this roll number; raises `StudentNotFound`, also for a deleted one."""
    return StudentSnapshot.of(_not_deleted(roll_no, _existing(roll_no, await _find_whole(roll_no))))


async def get_also_deleted(roll_no: str) -> StudentSnapshot:
    """The student with this roll number, deleted or not; raises `StudentNotFound`."""
    return StudentSnapshot.of(_existing(roll_no, await _find_whole(roll_no)))


def _existing(roll_no: str, found: _Stored | None) -> _Stored:
    if found is None or found["erasing"]:
        raise StudentNotFound(f"There is no student {roll_no}.")
    return found


def _not_deleted(roll_no: str, found: _Stored) -> _Stored:
    if found["deleted_at"] is not None:
        raise StudentNotFound(f"There is no student {roll_no}: it was deleted, and can be restored.")
    return found


async def change(roll_no: str, edit: Edit, expects: Preconditions, *, also_deleted: bool = False) -> StudentSnapshot:
    """Replace the student's record by what `edit` makes of it, provided that it is as the client `expects`, in the
    very version that is replaced. Answers with the record as it is then.

    Raises `StudentNotFound`, `PreconditionFailed`, what `edit` raises, `RollNoTaken` for a new roll number that another
    student has, and `Unavailable` if other writes always come in between.
    """
    for _ in range(MAX_TRIES):
        found = await _find_settled(roll_no)
        try:
            stored = _existing(roll_no, found)
            student = StudentSnapshot.of(stored if also_deleted else _not_deleted(roll_no, stored))
            expects.check(student.etag)
            successor = edit(student)
        except Problem:
            if await _is_newest(found, roll_no):
                raise
            continue
        if successor is None:
            if await _is_newest(found, roll_no):
                return student
            continue
        outcome = await write(Write(student, successor))
        if outcome is Outcome.MADE:
            return successor
        if outcome is Outcome.TAKEN:
            detail = "Another student has this roll number, perhaps a deleted one: an admin can erase it."
            raise taken(successor.roll_no, detail)
    raise Unavailable("This student is being changed by too many at once.")


async def _is_newest(found: _Stored | None, roll_no: str) -> bool:
    """Whether the primary has nothing newer than what a majority is known to have. If it has, which is so while a write
    is being confirmed and just after an election, this waits a moment."""
    newest = await _find_shown(roll_no)
    if (found and (found["_id"], found["version"])) == (newest and (newest["_id"], newest["version"])):
        return True
    await asyncio.sleep(PAUSE_SECONDS)
    return False
