"""What the routes of student records have in common."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from pydantic_core import to_json

from core.api import Expected, address, location
from core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from core.identity import CurrentUser, Role, at_least
from modules.students.fields import RollNo
from modules.students.models import StudentSnapshot
from modules.students.records.store import StudentNotFound, Writer
from modules.students.schemas import StudentRead

WRITER = at_least(Role.TEACHER)

RollNoInPath = Annotated[RollNo, Path(description="The student's roll number.")]


async def _writer(user: CurrentUser, expects: Expected) -> Writer:
    return Writer(user.username, expects)


CurrentWriter = Annotated[Writer, Depends(_writer)]
"""Who changes a student, and in which state they expect it to be."""

LOCATION = location("/students/S101")

CONDITIONAL = (Forbidden, StudentNotFound, PreconditionFailed, PreconditionRequired)
"""What any change of a student may answer."""


def read(student: StudentSnapshot, status_code: int = 200) -> Response:
    """The student as clients read it, with the entity tag in the answer's header."""
    return answer(student.record(), student.etag, status_code)


def answer(record: Mapping[str, Any], etag: str, status_code: int = 200) -> Response:
    """The same of a record in the shape in which it is stored. It was checked on its way in, and is written as it is;
    the routes document it as a `StudentRead`."""
    shown = to_json({field: record[field] for field in StudentRead.model_fields})
    return Response(shown, status_code, {"ETag": etag}, media_type="application/json")


def with_location(answer: Response, student: StudentSnapshot, request: Request) -> Response:
    """The answer, with the address at which the student is found from now on."""
    answer.headers["Location"] = address(request, "students", student.roll_no)
    return answer
