"""The feed of changes, which skips nothing, however late a write becomes visible.

A number that is taken before a write would be no guide: a slow writer's smaller number could appear behind a reader
who has passed it. So nothing is numbered before it can be seen. Each write marks its version `unsequenced`, in the
same atomic command; whoever reads the feed first gives each marked version the next number, and only then takes the
mark away. A number is the key of a document of its own and is taken by inserting that, one after the highest there is;
it counts only if it is the highest one still when that has been done. So a number that counts is greater than any that
a reader has seen before, and a reader who has seen number n will find every later change behind n. A process that dies
in between leaves a mark: the student gets a number once more, which tells the newest state again.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from bson import ObjectId
from pymongo.errors import BulkWriteError

from core.api import decode_cursor, encode_cursor
from core.database import read_majority
from core.errors import FieldError, InvalidRequest, Unavailable
from modules.students.models import Change, StudentDocument, StudentSnapshot
from modules.students.schemas import ChangedStudent, ChangesRead, StudentRead

_SCOPE = "changes of students"

_DUPLICATE_KEY = 11000
_MAX_TRIES = 10
_MAX_NUMBER = 2**63 - 1

_Stored = Mapping[str, Any]
"""A student as it is stored, or a part of that."""


async def since(token: str | None, limit: int) -> ChangesRead:
    """Up to `limit` students who have changed since a token was given, each once; all there ever were, where no token
    is given. Raises `InvalidRequest` for a token that is not one of ours."""
    number = 0 if token is None else _read_token(token)
    marked = await read_majority(StudentDocument).find({"unsequenced": True}, {"version": 1}).limit(limit).to_list(None)
    left = await _give_places(marked)
    found = await read_majority(Change).find({"_id": {"$gt": number}}).sort("_id", 1).limit(limit + 1).to_list(None)
    if not found and number > await _highest():
        raise _wrong_token()
    page = found[:limit]
    newest = {place["student"]: place["_id"] for place in page}
    students = await _students(list(newest))
    return ChangesRead(
        changes=[_changed(place["student"], students) for place in page if newest[place["student"]] == place["_id"]],
        next=encode_cursor(_SCOPE, str(page[-1]["_id"] if page else number)),
        more=len(found) > limit or len(marked) == limit or bool(left),
    )


async def tell(student: StudentSnapshot) -> None:
    """Give a student's current version its place in the feed now; raises `Unavailable` if it gets none."""
    if await _give_places([{"_id": student.id, "version": student.version}]):
        raise Unavailable("Too many are reading the feed of changes at once.")


async def _give_places(marked: Sequence[_Stored]) -> Sequence[_Stored]:
    """Give these versions the next numbers, as far as others who do the same at the same time let us; answers with
    those that got none.

    A number that was cleared away could be taken once more, by someone who saw the highest one long ago. So numbers
    count only if they are the highest ones still, after they were inserted; a version whose number does not count keeps
    its mark, and is told twice.
    """
    for _ in range(_MAX_TRIES):
        if not marked:
            break
        first = await _highest() + 1
        taken = await _take([{"_id": first + ahead, "student": one["_id"]} for ahead, one in enumerate(marked)])
        if taken and await _highest() == first + taken - 1:
            await _settle(marked[:taken], first)
            marked = marked[taken:]
    return marked


async def _take(places: list[dict[str, Any]]) -> int:
    """Insert places in their order, up to the first whose number is taken; how many that were."""
    try:
        await Change.get_motor_collection().insert_many(places)
    except BulkWriteError as error:
        refused = error.details["writeErrors"]
        if [one["code"] for one in refused] != [_DUPLICATE_KEY] or error.details["writeConcernErrors"]:
            raise
        return int(refused[0]["index"])
    return len(places)


async def _settle(placed: Sequence[_Stored], first: int) -> None:
    """Take away the marks of these versions, unless they have been replaced meanwhile, and the older places of their
    students."""
    if placed:
        versions = [{"_id": one["_id"], "version": one["version"]} for one in placed]
        await StudentDocument.get_motor_collection().update_many({"$or": versions}, {"$unset": {"unsequenced": ""}})
        older = {"student": {"$in": [one["_id"] for one in placed]}, "_id": {"$lt": first}}
        await Change.get_motor_collection().delete_many(older)


async def _highest() -> int:
    places = await read_majority(Change).find().sort("_id", -1).limit(1).to_list(None)
    return int(places[0]["_id"]) if places else 0


async def _students(ids: list[ObjectId]) -> dict[ObjectId, _Stored]:
    fields = [*StudentRead.model_fields, "deleted_at"]
    found = await read_majority(StudentDocument).find({"_id": {"$in": ids}}, fields).to_list(None)
    return {student["_id"]: student for student in found}


def _changed(student_id: ObjectId, students: dict[ObjectId, _Stored]) -> ChangedStudent:
    student = students.get(student_id)
    live = student is not None and student["deleted_at"] is None
    return ChangedStudent(
        key=_key(student_id),
        roll_no=student["roll_no"] if student else None,
        deleted=not live,
        student=StudentRead.model_validate(student) if live else None,
    )


def _key(student_id: ObjectId) -> str:
    return urlsafe_b64encode(blake2b(student_id.binary, digest_size=12).digest()).decode()


def _read_token(token: str) -> int:
    try:
        number = int(decode_cursor(_SCOPE, token))
    except ValueError:
        raise _wrong_token() from None
    if not 0 <= number <= _MAX_NUMBER:
        raise _wrong_token()
    return number


def _wrong_token() -> InvalidRequest:
    detail = "This token is not one of this feed's. Begin again without it, with an empty copy."
    return InvalidRequest(errors=[FieldError(detail=detail, parameter="since")])
