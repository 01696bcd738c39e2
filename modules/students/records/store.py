"""Reading a student by roll number, and changing the record without losing its earlier version."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from beanie import Document
from bson import ObjectId
from pydantic import BaseModel, Field

from core.api import UNCONDITIONAL, Preconditions, retry_conflicts
from core.database import Batcher, Filter, collection, read_majority
from core.errors import Conflict, FieldError, NotFound, Problem
from modules.students.models import FormerNumber, StudentDocument, StudentSnapshot, public_key
from modules.students.records.write_batch import Outcome, Write, give_up_numbers, write
from modules.students.schemas import StudentFields
from modules.students.subject_catalog.catalog import SubjectCatalog

PAUSE_SECONDS = 0.02

# How many merges, each into the next record, a pointer follows.
_MAX_MERGES = 10


@dataclass(frozen=True, slots=True)
class Writer:
    """The user who writes, and the preconditions of the request."""

    name: str
    expects: Preconditions = UNCONDITIONAL


Edit = Callable[[StudentSnapshot], StudentSnapshot | None]
"""A function that returns the next version of a record, or None for no change. It may be called more than once, with
marks under other names of their subjects: `SubjectCatalog.current()` has those of the moment."""


class MovedProblem(BaseModel):
    """A problem document with a pointer to the student who had the roll number."""

    moved_to: Annotated[
        str | None,
        Field(
            description="The present roll number of the student who had this one until it was changed, or until the "
            "record was merged into another one. Absent if there is none, or if the number was given again.",
            examples=["S102"],
        ),
    ] = None


class StudentNotFound(NotFound):
    """There is no student with this roll number. `GET /students` lists all students;
    `POST /students/{roll_no}/restore` restores a deleted student. If the student has another roll number now,
    `moved_to` is that number."""

    title = "Student not found"
    extension = MovedProblem
    example = {"moved_to": "S102"}


class RollNoTaken(Conflict):
    """Another student has this roll number. Choose another roll number, or update that student instead."""

    title = "Roll number taken"


class StudentMerged(Conflict):
    """This record was merged into another one, so it is only changed together with that one. Undo the merge with
    `POST /students/{roll_no}/merge/undo` of the other one first."""

    title = "Student merged"


def taken(roll_no: str) -> RollNoTaken:
    """Return the problem for a roll number that is taken, with a pointer to the field."""
    errors = [FieldError(code="exists", detail="Another student has this roll number.", pointer="#/roll_no")]
    return RollNoTaken(f"Student {roll_no} already exists.", errors=errors)


_PUBLIC_FIELDS = (*StudentFields.model_fields, "version", "deleted_at", "erasing", "merge")

_Stored = Mapping[str, Any]


def _finder(collection: Callable[[], Any], fields: Sequence[str] | None = None) -> Batcher[str, _Stored | None]:
    """Return a batcher that finds students by roll number: concurrent lookups share one query.

    It reads only `fields`, or whole documents if that is None. It ignores former holders of the roll numbers.
    """

    async def find(roll_nos: Sequence[str]) -> list[_Stored | None]:
        found = collection().find({"roll_no": {"$in": list(set(roll_nos))}, "former": None}, fields)
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
    return await _existing(roll_no, await _find_public(roll_no))


async def get(roll_no: str) -> StudentSnapshot:
    """Return the student with this roll number. Raise `StudentNotFound`, also for a deleted student."""
    return StudentSnapshot.of(await _existing(roll_no, await _find_whole(roll_no)))


async def get_majority(roll_no: str) -> StudentSnapshot:
    """Return the student with this roll number as `get` does, for a write that builds upon it."""
    return StudentSnapshot.of(await _existing(roll_no, await _find_majority(roll_no)))


async def get_also_deleted(roll_no: str, holder: str | None = None) -> StudentSnapshot:
    """Return the student with this roll number, deleted or not; with `holder`, the former one with this public key.
    Raise `StudentNotFound`."""
    found = await (_find_whole(roll_no) if holder is None else _find_former(collection, roll_no, holder))
    return StudentSnapshot.of(await _existing(roll_no, found, also_deleted=True))


def former_holders(roll_no: str) -> Filter:
    """Return the filter for the deleted students whose roll number, this one, was given to another student."""
    return {"roll_no": roll_no, "former": {"$gt": ObjectId(bytes(12))}, "erasing": None}


async def _find_former(opened: Callable[[type[Document]], Any], roll_no: str, holder: str) -> _Stored | None:
    async for stored in opened(StudentDocument).find(former_holders(roll_no)):
        if public_key(stored["_id"]) == holder:
            return dict(stored)
    return None


async def _existing(roll_no: str, found: _Stored | None, *, also_deleted: bool = False) -> _Stored:
    if found is not None and not found["erasing"] and (also_deleted or found["deleted_at"] is None):
        return found
    if found is None:
        left = await collection(FormerNumber).find_one({"_id": roll_no})
        raise await _not_found(f"There is no student {roll_no}.", left and left["student"])
    if found["erasing"]:
        raise await _not_found(f"There is no student {roll_no}.", None)
    if merge := found.get("merge"):
        raise await _not_found(f"The record {roll_no} was merged into another one.", merge["into"])
    raise await _not_found(f"The student {roll_no} was deleted, and can be restored.", None)


async def _not_found(detail: str, student: ObjectId | None) -> StudentNotFound:
    """Return the problem; with the `_id` of the student who had the roll number, and is not deleted, with a pointer to
    the present one. A record that was merged leads to the one that it was merged into."""
    for _ in range(_MAX_MERGES):
        fields = {"roll_no": 1, "keys.live": 1, "merge.into": 1}
        found = student and await collection(StudentDocument).find_one({"_id": student, "erasing": None}, fields)
        if not found:
            break
        if found["keys"]["live"]:
            detail = f"{detail} The student has the number {found['roll_no']} now."
            return StudentNotFound(detail, extensions={"moved_to": found["roll_no"]})
        student = (found.get("merge") or {}).get("into")
    return StudentNotFound(detail)


async def change(
    roll_no: str, edit: Edit, expects: Preconditions, *, also_deleted: bool = False, holder: str | None = None
) -> StudentSnapshot:
    """Store the version that `edit` returns, and return it. If that is None, store nothing and return the current one.
    With `holder`, change the former holder of the roll number who has this public key. A deleted student who has the
    roll number of the new version gives it up.

    The preconditions in `expects` are checked on the very version that is replaced. Raise `StudentNotFound`,
    `PreconditionFailed`, the errors of `edit`, `RollNoTaken` if another student has the new roll number,
    `StudentMerged`, and `Unavailable` if concurrent writes win every time.
    """

    async def attempt() -> StudentSnapshot | None:
        found = await (_find_majority(roll_no) if holder is None else _find_former(read_majority, roll_no, holder))
        try:
            student = StudentSnapshot.of(await _existing(roll_no, found, also_deleted=also_deleted))
            if student.merge:
                raise StudentMerged(f"The record {roll_no} was merged into another one.")
            expects.check(student.etag)
            await SubjectCatalog.read()  # as it is now, for `edit`
            successor = edit(student)
        except Problem:
            if await _is_newest(found, roll_no, holder):
                raise
            return None
        if successor is None:
            return student if await _is_newest(found, roll_no, holder) else None
        outcome = await write(Write(student, successor))
        if outcome is Outcome.TAKEN and not await give_up_numbers([successor.roll_no]):
            raise taken(successor.roll_no)
        return successor if outcome is Outcome.MADE else None

    return await retry_conflicts(attempt)


async def _is_newest(found: _Stored | None, roll_no: str, holder: str | None = None) -> bool:
    """Return whether the primary has no newer version than the one read with majority concern.

    If it has one, wait `PAUSE_SECONDS`: this happens while a write is being replicated, and just after an election.
    """
    newest = await (_find_public(roll_no) if holder is None else _find_former(collection, roll_no, holder))
    if (found and (found["_id"], found["version"])) == (newest and (newest["_id"], newest["version"])):
        return True
    await asyncio.sleep(PAUSE_SECONDS)
    return False
