"""The feed of changes. It skips no change, however late a write becomes visible.

Numbers cannot be assigned before a write: the smaller number of a slow write could become visible after a reader has
passed it. So a version gets its number only when it is visible. Each write sets `unsequenced` on its version in the
same atomic command; the next request that reads the feed assigns the next numbers to these versions, and only then
unsets the field. A number is the `_id` of an entry, and is assigned by inserting the entry after the highest existing
one. It is valid only if it still is the highest number after the insert. So a valid number is greater than any number
that a reader has seen before, and a reader who has seen number n finds every later change after n. If a process dies
in between, `unsequenced` stays set: the student gets another number, and the feed returns the current state again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError

from core.api import CursorNotFound, decode_cursor, encode_cursor
from core.database import collection, read_majority
from core.errors import Unavailable
from modules.students.models import Change, StudentDocument, StudentSnapshot, public_key
from modules.students.schemas import ChangedStudent, ChangesRead, StudentFields, StudentRead

_SCOPE = "changes of students"

_DUPLICATE_KEY = 11000
_MAX_TRIES = 10
_MAX_NUMBER = 2**63 - 1

_Stored = Mapping[str, Any]
"""A stored document of a student, or some of its fields."""


async def since(token: str | None, limit: int) -> ChangesRead:
    """Return up to `limit` students who changed since the token was issued, each once.

    If `token` is None, start with the first change ever made. Raise `CursorNotFound` if the token is invalid.
    """
    number = 0 if token is None else _read_token(token)
    entries = await entries_after(number, limit)
    if not entries.students and number > await _highest():
        raise _wrong_token()
    students = await _students(entries.students)
    return ChangesRead(
        changes=[_changed(student, students) for student in entries.students],
        next=encode_cursor(_SCOPE, str(entries.last)),
        more=entries.more,
    )


@dataclass(frozen=True, slots=True)
class Entries:
    """A part of the feed: the `_id`s of the students, each once, the number of the last entry, and whether there are
    more now."""

    students: Sequence[ObjectId]
    last: int
    more: bool


async def entries_after(number: int, limit: int) -> Entries:
    """Return up to `limit` entries after this number, having assigned numbers to the changes that have none."""
    marked = await read_majority(StudentDocument).find({"unsequenced": True}, {"version": 1}).limit(limit).to_list(None)
    left = await _assign_numbers(marked)
    found = await read_majority(Change).find({"_id": {"$gt": number}}).sort("_id", 1).limit(limit + 1).to_list(None)
    page = found[:limit]
    newest = {entry["student"]: entry["_id"] for entry in page}
    return Entries(
        [entry["student"] for entry in page if newest[entry["student"]] == entry["_id"]],
        page[-1]["_id"] if page else number,
        more=len(found) > limit or len(marked) == limit or bool(left),
    )


async def add_to_feed(student: StudentSnapshot) -> None:
    """Add a student's current version to the feed now. Raise `Unavailable` if concurrent requests prevent it."""
    if await _assign_numbers([{"_id": student.id, "version": student.version}]):
        raise Unavailable("Too many concurrent requests for the feed of changes.")


async def _assign_numbers(marked: Sequence[_Stored]) -> Sequence[_Stored]:
    """Assign the next numbers to these versions. Return the versions that got none because of concurrent requests.

    The number of a deleted entry could be inserted again by a request that read the highest number long ago. So numbers
    are valid only if they still are the highest after the insert. A version whose number is not valid keeps
    `unsequenced`, and the feed returns it twice.
    """
    for _ in range(_MAX_TRIES):
        if not marked:
            break
        first = await _highest() + 1
        taken = await _insert_entries(
            [{"_id": first + ahead, "student": one["_id"]} for ahead, one in enumerate(marked)]
        )
        if taken and await _highest() == first + taken - 1:
            await _confirm_numbers(marked[:taken], first)
            marked = marked[taken:]
    return marked


async def _insert_entries(entries: list[dict[str, Any]]) -> int:
    """Insert entries in order, up to the first whose number exists already. Return how many were inserted."""
    try:
        await collection(Change).insert_many(entries)
    except BulkWriteError as error:
        refused = error.details["writeErrors"]
        if [one["code"] for one in refused] != [_DUPLICATE_KEY] or error.details["writeConcernErrors"]:
            raise
        return int(refused[0]["index"])
    return len(entries)


async def _confirm_numbers(numbered: Sequence[_Stored], first: int) -> None:
    """Unset `unsequenced` on these versions, unless they have been replaced, and delete older entries of the same
    students."""
    if numbered:
        versions = [{"_id": one["_id"], "version": one["version"]} for one in numbered]
        await collection(StudentDocument).update_many({"$or": versions}, {"$unset": {"unsequenced": ""}})
        older = {"student": {"$in": [one["_id"] for one in numbered]}, "_id": {"$lt": first}}
        await collection(Change).delete_many(older)


async def _highest() -> int:
    entries = await read_majority(Change).find().sort("_id", -1).limit(1).to_list(None)
    return int(entries[0]["_id"]) if entries else 0


async def _students(ids: Sequence[ObjectId]) -> dict[ObjectId, _Stored]:
    fields = [*StudentFields.model_fields, "deleted_at"]
    found = await read_majority(StudentDocument).find({"_id": {"$in": list(ids)}}, fields).to_list(None)
    return {student["_id"]: student for student in found}


def _changed(student_id: ObjectId, students: dict[ObjectId, _Stored]) -> ChangedStudent:
    student = students.get(student_id)
    live = student is not None and student["deleted_at"] is None
    return ChangedStudent(
        key=public_key(student_id),
        roll_no=student["roll_no"] if student else None,
        deleted=not live,
        student=StudentRead.model_validate(student) if live else None,
    )


def _read_token(token: str) -> int:
    try:
        number = int(decode_cursor(_SCOPE, token))
    except ValueError:
        raise _wrong_token() from None
    if not 0 <= number <= _MAX_NUMBER:
        raise _wrong_token()
    return number


def _wrong_token() -> CursorNotFound:
    detail = (
        "This token is not one of this feed. Send the `next` of an earlier response, or start again without a token, "
        "and with an empty copy."
    )
    return CursorNotFound(detail, "since")
