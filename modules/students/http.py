"""What the routes of student records have in common."""

from typing import Annotated

from fastapi import Depends, Path, Response

from core.address import location
from core.conditional import Expected
from core.errors import Forbidden, PreconditionFailed, PreconditionRequired
from core.identity import CurrentUser, Role, at_least
from modules.students.models import Student
from modules.students.schemas import StudentRead
from modules.students.values import RollNo
from modules.students.versions import StudentNotFound, Writer

WRITER = at_least(Role.TEACHER)

RollNoInPath = Annotated[RollNo, Path(description="The student's roll number.")]


async def _writer(user: CurrentUser, expects: Expected) -> Writer:
    return Writer(user.username, expects)


CurrentWriter = Annotated[Writer, Depends(_writer)]
"""Who changes a student, and in which state they expect it to be."""

LOCATION = location("/students/S101")

CONDITIONAL = (Forbidden, StudentNotFound, PreconditionFailed, PreconditionRequired)
"""What any change of a student may answer."""


def read(student: Student, response: Response) -> StudentRead:
    """The student as clients read it, with the entity tag in the answer's header."""
    response.headers["ETag"] = student.etag
    return StudentRead.model_validate(student)
