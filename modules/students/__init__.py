"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students.erasure import lifespan
from modules.students.models import Change, Erasure, Student, StudentVersion
from modules.students.router import router
from modules.students.schemas import StudentRead
from modules.students.values import RollNo, Subject
from modules.students.versions import StudentNotFound, get

__all__ = ["RollNo", "Student", "StudentNotFound", "StudentRead", "Subject", "get", "module"]

module = Module(
    name="students",
    description="Student records, addressed by roll number.",
    router=router,
    documents=(Student, StudentVersion, Change, Erasure),
    lifespan=lifespan,
)
