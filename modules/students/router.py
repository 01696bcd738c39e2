"""The addresses of student records."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from core.errors import Forbidden
from core.identity import Role, at_least
from core.openapi import header, problem_responses
from core.pagination import LINK, Keyset, PageQuery
from core.routing import ProtectedRouter
from modules.students import service
from modules.students.models import Student
from modules.students.schemas import RollNo, StudentCreate, StudentRead, StudentReplace
from modules.students.service import RollNoTaken, StudentNotFound

router = ProtectedRouter(prefix="/students")

RollNoInPath = Annotated[RollNo, Path(description="The student's roll number.", examples=["S101"])]

WRITER = at_least(Role.TEACHER)

ETAG = header("ETag", "Names this state of the record; opaque (RFC 9110).")
LOCATION = header("Location", "The address of the new record.")

BY_ROLL_NO = Keyset[Student]("students by roll_no", lambda student: student.roll_no)


@router.post(
    "",
    status_code=201,
    dependencies=[WRITER],
    responses={201: {"headers": LOCATION | ETAG}, **problem_responses(Forbidden, RollNoTaken)},
)
async def create(data: StudentCreate, request: Request, response: Response) -> StudentRead:
    """Create a student."""
    student = await service.create(data)
    response.headers["Location"] = f"{request.url.path}/{student.roll_no}"
    return _read(student, response)


@router.get("", responses={200: {"headers": LINK}})
async def list_(page: Annotated[PageQuery, Query()], request: Request, response: Response) -> list[StudentRead]:
    """List students in order of roll number."""
    found = await service.list_after(BY_ROLL_NO.begin(page), page.limit + 1)
    return [StudentRead.model_validate(student) for student in BY_ROLL_NO.cut(found, page, request, response)]


@router.get("/{roll_no}", responses={200: {"headers": ETAG}, **problem_responses(StudentNotFound)})
async def get(roll_no: RollNoInPath, response: Response) -> StudentRead:
    """Read one student."""
    return _read(await service.get(roll_no), response)


@router.put(
    "/{roll_no}",
    dependencies=[WRITER],
    responses={200: {"headers": ETAG}, **problem_responses(Forbidden, StudentNotFound)},
)
async def replace(roll_no: RollNoInPath, data: StudentReplace, response: Response) -> StudentRead:
    """Replace a student's record."""
    return _read(await service.replace(roll_no, data), response)


@router.delete(
    "/{roll_no}",
    status_code=204,
    response_class=Response,
    dependencies=[WRITER],
    responses=problem_responses(Forbidden, StudentNotFound),
)
async def delete(roll_no: RollNoInPath) -> None:
    """Delete a student."""
    await service.delete(roll_no)


def _read(student: Student, response: Response) -> StudentRead:
    response.headers["ETag"] = student.etag
    return StudentRead.model_validate(student)
