"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students import migrations
from modules.students.erasure.service import ErasedStudent, follow_erasures, lifespan
from modules.students.fields import MAX_SUBJECTS, SUBJECT_PATTERN, DocumentedMark, RollNo, Subject, subject_of
from modules.students.listing.filters import Selection
from modules.students.listing.pages import Row, count, subjects_of, walk, without_marks
from modules.students.models import (
    SUBJECT_SEPARATOR,
    Action,
    Change,
    Erasure,
    ErasureFollower,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
    StudentVersionData,
)
from modules.students.records.bulk import (
    changed,
    created,
    erased,
    erased_since,
    find_by_id,
    find_many,
    reverted,
    versions_of,
)
from modules.students.records.integrity import data_check
from modules.students.records.store import StudentNotFound, get
from modules.students.records.write_batch import Outcome, Write, write_all
from modules.students.router import router
from modules.students.schemas import StudentPatch, StudentRead
from modules.students.settings import MarkSettings

__all__ = [
    "MAX_SUBJECTS",
    "SUBJECT_PATTERN",
    "SUBJECT_SEPARATOR",
    "Action",
    "DocumentedMark",
    "ErasedStudent",
    "MarkSettings",
    "Outcome",
    "RollNo",
    "Row",
    "Selection",
    "StudentDocument",
    "StudentNotFound",
    "StudentPatch",
    "StudentRead",
    "StudentSnapshot",
    "StudentVersionData",
    "Subject",
    "Write",
    "changed",
    "count",
    "created",
    "erased",
    "erased_since",
    "find_by_id",
    "find_many",
    "follow_erasures",
    "get",
    "module",
    "reverted",
    "subject_of",
    "subjects_of",
    "versions_of",
    "walk",
    "without_marks",
    "write_all",
]

module = Module(
    name="students",
    description="Student records, addressed by roll number.",
    router=router,
    migrations=migrations,
    settings=MarkSettings,
    documents=(StudentDocument, StudentVersion, Change, Erasure, ErasureFollower),
    lifespan=lifespan,
    data_check=data_check,
)
