"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students.models import Change, Erasure, Student, StudentVersion
from modules.students.router import router

__all__ = ["module"]

module = Module(
    name="students",
    description="Student records, addressed by roll number.",
    router=router,
    documents=(Student, StudentVersion, Change, Erasure),
)
