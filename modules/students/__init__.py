"""Student records: roll number, name, branch and marks."""

from core.module import Module
from modules.students import migrations
from modules.students.background import jobs, lifespan
from modules.students.commands import forget_module
from modules.students.demo import demo
from modules.students.error_codes import ERROR_CODES
from modules.students.events import CHANGED, ERASED, GONE, ErasedStudent
from modules.students.field_changes import FieldDifference, differences
from modules.students.fields import DocumentedMark, RollNo, Subject, subject_of, subject_pattern
from modules.students.figures import MarkFigures
from modules.students.identities import folded, identity_key, is_one_edit, joined_key
from modules.students.listing.filters import Selection
from modules.students.listing.reader import StudentReader
from modules.students.models import (
    Change,
    ChangeFollower,
    Erasure,
    ErasureFollower,
    FormerNumber,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
    StudentVersionData,
)
from modules.students.owners import STUDENTS, StudentCopy
from modules.students.records.bulk import SimilarStudent, StudentBulkStore
from modules.students.records.integrity import data_check
from modules.students.records.store import StudentNotFound
from modules.students.records.write_batch import Write
from modules.students.router import router
from modules.students.schemas import FieldChange, StudentPatch
from modules.students.settings import MarkSettings
from modules.students.stored_figures import FigureBasis
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import match as match_marks
from modules.students.subject_catalog.models import MergedStudent, SubjectOperation
from modules.students.subject_catalog.models import Subject as SubjectDocument

__all__ = [
    "CHANGED",
    "ERASED",
    "GONE",
    "STUDENTS",
    "DocumentedMark",
    "ErasedStudent",
    "FieldChange",
    "FieldDifference",
    "MarkFigures",
    "MarkSettings",
    "RollNo",
    "Selection",
    "SimilarStudent",
    "StudentBulkStore",
    "StudentCopy",
    "StudentDocument",
    "StudentNotFound",
    "StudentPatch",
    "StudentReader",
    "StudentSnapshot",
    "StudentVersionData",
    "Subject",
    "SubjectCatalog",
    "Write",
    "differences",
    "folded",
    "identity_key",
    "is_one_edit",
    "joined_key",
    "match_marks",
    "module",
    "subject_of",
    "subject_pattern",
]

module = Module(
    name="students",
    description="Student records, addressed by roll number.",
    position=20,
    router=router,
    migrations=migrations,
    settings=MarkSettings,
    documents=(
        StudentDocument,
        StudentVersion,
        Change,
        ChangeFollower,
        Erasure,
        ErasureFollower,
        FormerNumber,
        SubjectDocument,
        FigureBasis,
        SubjectOperation,
        MergedStudent,
    ),
    lifespan=lifespan,
    jobs=jobs,
    data_check=data_check,
    commands=(forget_module,),
    error_codes=ERROR_CODES,
    demo=demo,
)
