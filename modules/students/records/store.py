"""Reading a student by roll number, and changing the record without losing its earlier version."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.api import UNCONDITIONAL, Preconditions, retry_conflicts
from core.database import Batcher, collection, read_majority
from core.errors import Conflict, FieldError, NotFound, Problem
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.write_batch import Outcome, Write, write
from modules.students.schemas import StudentRead

PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Writer:
    """The user who writes, and the preconditions of the request."""

    name: str
    expects: Preconditions = UNCONDITIONAL


Edit = Callable[[StudentSnapshot], StudentSnapshot | None]
"""A function that returns the next version of a record, or None for no change. It may be called more than once."""


class StudentNotFound(NotFound):
    """There is no student with this roll number. `GET /students` lists all students;
    `POST /students/{roll_no}/restore` restores a deleted student."""

    title = "Student not found"


class RollNoTaken(Conflict):
    """Another student has this roll number. Choose another roll number, or update that student instead. The roll number
    of a deleted student can only be used to create the same student again."""

    title = "Roll number taken"


def taken(roll_no: str, detail: str = "Another student has this roll number.") -> RollNoTaken:
    """Return the problem for a roll number that is taken, with a pointer to the field."""
    errors = [FieldError(code="exists", detail=detail, pointer="#/roll_no")]
    return RollNoTaken(f"Student {roll_no} already exists.", errors=errors)


_PUBLIC_FIELDS = (*StudentRead.model_fields, "version", "deleted_at", "erasing")

_Stored = Mapping[str, Any]


def _finder(collection: Callable[[], Any], fields: Sequence[str] | None = None) -> Batcher[str, _Stored | None]:
    """Return a batcher that finds students by roll number: concurrent lookups share one query.

    It reads only `fields`, or whole documents if that is None.
    """

    async def find(roll_nos: Sequence[str]) -> list[_Stored | None]:
        found = collection().find({"roll_no": {"$in": list(set(roll_nos))}}, fields)
        by_roll_no = {stored["roll_no"]: stored for stored in await found.to_list(None)}
        return [by_roll_no.get(roll_no) for roll_no in roll_nos]

    return Batcher(find)


_find_public = _finder(lambda: collection(StudentDocument), _PUBLIC_FIELDS)
_find_whole = _finder(lambda: collection(StudentDocument))
# Writes read with majority concern: a version that is not replicated, and so may be rolled back, must not enter the
# history.
_find_majority = _finder(lambda: read_majority(StudentDocument))


async def read(roll_no: str) -> _Stored:
    """Return the public fields of a student, as stored. Raise `StudentNotFound`, also for a deleted student."""
    return _not_deleted(roll_no, _existing(roll_no, await _find_public(roll_no)))


async def get(roll_no: str) -> StudentSnapshot:
    """Return the student with this roll number. Raise `StudentNotFound`, also for a deleted student."""
    return StudentSnapshot.of(_not_deleted(roll_no, _existing(roll_no, await _find_whole(roll_no))))


async def get_also_deleted(roll_no: str) -> StudentSnapshot:
    """Return the student with this roll number, deleted or not. Raise `StudentNotFound`."""
    return StudentSnapshot.of(_existing(roll_no, await _find_whole(roll_no)))


def _existing(roll_no: str, found: _Stored | None) -> _Stored:
    if found is None or found["erasing"]:
        raise StudentNotFound(f"There is no student {roll_no}.")
    return found


def _not_deleted(roll_no: str, found: _Stored) -> _Stored:
    if found["deleted_at"] is not None:
        raise StudentNotFound(f"The student {roll_no} was deleted, and can be restored.")
    return found


async def change(roll_no: str, edit: Edit, expects: Preconditions, *, also_deleted: bool = False) -> StudentSnapshot:
    """Store the version that `edit` returns, and return it. If that is None, store nothing and return the current one.

    The preconditions in `expects` are checked on the very version that is replaced. Raise `StudentNotFound`,
    `PreconditionFailed`, the errors of `edit`, `RollNoTaken` if another student has the new roll number, and
    `Unavailable` if concurrent writes win every time.
    """

    async def attempt() -> StudentSnapshot | None:
        found = await _find_majority(roll_no)
        try:
            stored = _existing(roll_no, found)
            student = StudentSnapshot.of(stored if also_deleted else _not_deleted(roll_no, stored))
            expects.check(student.etag)
            successor = edit(student)
        except Problem:
            if await _is_newest(found, roll_no):
                raise
            return None
        if successor is None:
            return student if await _is_newest(found, roll_no) else None
        outcome = await write(Write(student, successor))
        if outcome is Outcome.TAKEN:
            detail = "Another student has this roll number. If that student is deleted, an admin can erase it."
            raise taken(successor.roll_no, detail)
        return successor if outcome is Outcome.MADE else None

    return await retry_conflicts(attempt)


async def _is_newest(found: _Stored | None, roll_no: str) -> bool:
    """Return whether the primary has no newer version than the one read with majority concern.

    If it has one, wait `PAUSE_SECONDS`: this happens while a write is being replicated, and just after an election.
    """
    newest = await _find_public(roll_no)
    if (found and (found["_id"], found["version"])) == (newest and (newest["_id"], newest["version"])):
        return True
    await asyncio.sleep(PAUSE_SECONDS)
    return False
