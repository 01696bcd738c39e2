"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students import bulk, listing
from modules.students.erasure import lifespan
from modules.students.models import Change, Erasure, Record, Student, StudentVersion
from modules.students.query import FIELDS
from modules.students.router import router
from modules.students.schemas import StudentCreate, StudentPatch, StudentRead
from modules.students.selection import Selection
from modules.students.values import MAX_SUBJECTS, RollNo, Subject, subject_of
from modules.students.versions import StudentNotFound, get

__all__ = [
    "FIELDS",
    "MAX_SUBJECTS",
    "Record",
    "RollNo",
    "Selection",
    "Student",
    "StudentCreate",
    "StudentNotFound",
    "StudentPatch",
    "StudentRead",
    "Subject",
    "bulk",
    "get",
    "listing",
    "module",
    "subject_of",
]

module = Module(
    name="students",
    description="Student records, addressed by roll number.",
    router=router,
    documents=(Student, StudentVersion, Change, Erasure),
    lifespan=lifespan,
)
