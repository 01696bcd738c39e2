"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students import migrations
from modules.students.erasure.service import ErasedStudent, follow_erasures, lifespan
from modules.students.fields import SUBJECT_PATTERN, DocumentedMark, RollNo, Subject, subject_of
from modules.students.listing.filters import Selection
from modules.students.listing.reader import StudentReader
from modules.students.models import Change, Erasure, ErasureFollower, StudentDocument, StudentSnapshot, StudentVersion
from modules.students.records.bulk import StudentBulkStore
from modules.students.records.integrity import data_check
from modules.students.records.store import StudentNotFound
from modules.students.records.write_batch import Write
from modules.students.router import router
from modules.students.schemas import StudentPatch
from modules.students.settings import MarkSettings

__all__ = [
    "SUBJECT_PATTERN",
    "DocumentedMark",
    "ErasedStudent",
    "MarkSettings",
    "RollNo",
    "Selection",
    "StudentBulkStore",
    "StudentDocument",
    "StudentNotFound",
    "StudentPatch",
    "StudentReader",
    "StudentSnapshot",
    "Subject",
    "Write",
    "follow_erasures",
    "module",
    "subject_of",
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
