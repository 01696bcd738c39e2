"""A module whose records belong to students, as `docs/adding-a-module.md` shows it."""

from typing import Annotated

from beanie import Document
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from core.api import CursorNotFound, Listing, PageQuery, RequestBody, problem_responses
from core.module import Module
from core.references import Reference
from core.routing import ProtectedRouter
from modules.students import STUDENTS, RollNo, StudentCopy


class Attendance(Document):
    """The attendance of a student on a day."""

    student: StudentCopy
    day: str

    class Settings:
        """Has one record for each student and day."""

        name = "attendance"
        indexes = STUDENTS.indexes("day", unique=True)


OF_STUDENTS = Reference(Attendance, STUDENTS)

router = ProtectedRouter()


class AttendanceCreate(RequestBody):
    """A new record."""

    roll_no: RollNo
    day: Annotated[str, Field(max_length=10, examples=["2026-11-23"])]


class AttendanceRead(BaseModel):
    """A stored record."""

    roll_no: str
    branch: str
    day: str

    @classmethod
    def of(cls, record: Attendance) -> "AttendanceRead":
        return cls(roll_no=record.student.roll_no, branch=record.student.branch, day=record.day)


@router.post("/attendance", status_code=201)
async def create(data: AttendanceCreate) -> AttendanceRead:
    """Create a record."""
    student = await OF_STUDENTS.owner(data.roll_no, pointer="#/roll_no")
    record = Attendance(student=student, day=data.day)
    return AttendanceRead.of(await OF_STUDENTS.insert(record, pointer="#/roll_no"))


class AttendanceQuery(PageQuery):
    """The page and the filter of the list."""

    branch: str | None = None


@router.get("/attendance", responses=problem_responses(CursorNotFound))
async def list_(
    query: Annotated[AttendanceQuery, Query()], request: Request, response: Response
) -> list[AttendanceRead]:
    """List the attendance of all students, in order of roll number."""
    listing = Listing(f"attendance {query.branch}", STUDENTS.order("roll_no"))
    condition = OF_STUDENTS.where(branch=query.branch) if query.branch else OF_STUDENTS.where()
    page = await OF_STUDENTS.page(listing.window(query), condition)
    listing.link(page, request, response)
    return [AttendanceRead.of(record) for record in page.items]


@router.get("/students/{roll_no}/attendance")
async def list_of_student(roll_no: RollNo) -> list[AttendanceRead]:
    """List the attendance of a student."""
    found = Attendance.find(OF_STUDENTS.of(await OF_STUDENTS.owner(roll_no))).sort("day")
    return [AttendanceRead.of(record) for record in await found.to_list()]


module = Module(
    name="attendance",
    description="The attendance of students.",
    router=router,
    documents=(Attendance,),
    references=(OF_STUDENTS,),
)
