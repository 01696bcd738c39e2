"""What can be done with student records. Each write is one atomic command on one document."""

from typing import Any

from beanie import UpdateResponse
from pymongo.errors import DuplicateKeyError

from core.clock import utc_now
from core.errors import Conflict, FieldError, InvalidRequest, NotFound
from modules.students.models import Student
from modules.students.schemas import StudentCreate, StudentReplace


class StudentNotFound(NotFound):
    """There is no student with this roll number."""

    title = "No such student"


class RollNoTaken(Conflict):
    """Another student has this roll number."""

    title = "Roll number taken"


async def create(data: StudentCreate) -> Student:
    """Store a new student; raises `RollNoTaken`. The unique index decides, so two at once cannot both succeed."""
    student = Student(**data.model_dump())
    try:
        await student.insert()
    except DuplicateKeyError as error:
        taken = FieldError(detail="Another student has this roll number.", pointer="#/roll_no")
        raise RollNoTaken(f"There already is a student {data.roll_no}.", errors=[taken]) from error
    return student


async def get(roll_no: str) -> Student:
    """The student with this roll number; raises `StudentNotFound`."""
    return _found(await Student.find_one(Student.roll_no == roll_no), roll_no)


async def list_after(roll_no: str | None, limit: int) -> list[Student]:
    """Up to `limit` students in order of roll number, those behind `roll_no` if one is given."""
    behind: dict[str, Any] = {} if roll_no is None else {"roll_no": {"$gt": roll_no}}
    return await Student.find(behind).sort("+roll_no").limit(limit).to_list()


async def replace(roll_no: str, data: StudentReplace) -> Student:
    """Put `data` in place of what is stored, as one more version; raises `StudentNotFound`, or `InvalidRequest` when
    `data` names another roll number."""
    if data.roll_no not in (None, roll_no):
        detail = f"This must be {roll_no}, as in the address, or be left out."
        raise InvalidRequest(errors=[FieldError(detail=detail, pointer="#/roll_no")])
    content = data.model_dump(exclude={"roll_no"})
    student = await Student.find_one(Student.roll_no == roll_no).update(
        {"$set": {**content, "updated_at": utc_now()}, "$inc": {"version": 1}},
        response_type=UpdateResponse.NEW_DOCUMENT,
    )
    return _found(student, roll_no)


async def delete(roll_no: str) -> None:
    """Remove a student; raises `StudentNotFound`."""
    result = await Student.find_one(Student.roll_no == roll_no).delete()
    if not result or not result.deleted_count:
        raise StudentNotFound(f"There is no student {roll_no}.")


def _found(student: Student | None, roll_no: str) -> Student:
    if student is None:
        raise StudentNotFound(f"There is no student {roll_no}.")
    return student
