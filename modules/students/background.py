"""The module's work at startup, and its jobs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pymongo.errors import OperationFailure

from core.database import collection
from core.module import Every
from modules.students.changes import delivery
from modules.students.erasure import service as erasure
from modules.students.merging import service as merging
from modules.students.models import StudentDocument
from modules.students.sort_keys import name_key
from modules.students.stored_figures import update_figures
from modules.students.subject_catalog import catalog
from modules.students.subjects import unused
from modules.students.subjects.operation_job import carry_out_subject_operations, rename_late_marks

_OLD_INDEX = "roll_no_unique"


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Store which modules follow students before any job or request needs it, and load the alphabetical order. Delete
    the index of older releases that allowed a roll number only once, also for deleted students."""
    catalog.reset()
    name_key("")  # loads the alphabetical order, which takes 0.2 seconds, before the first write needs it
    students = collection(StudentDocument)
    if _OLD_INDEX in await students.index_information():
        with suppress(OperationFailure):  # another process was faster; while the index is there, creations may fail
            await students.drop_index(_OLD_INDEX)
    await erasure.register()
    await delivery.register()
    yield


# Changes are delivered, and erasures finished, in each process, because another one may run without a module that
# follows students. One process at a time works on subjects and on figures, with a lease.
jobs = (
    Every(1, delivery.deliver_continuously, endless=True),
    Every(30, erasure.finish_erasures),
    Every(30, merging.resume_all),
    Every(3600, erasure.sweep),
    Every(1, carry_out_subject_operations),
    Every(60, rename_late_marks),
    Every(3600, unused.remove_all_unused),
    Every(5, update_figures),
)
