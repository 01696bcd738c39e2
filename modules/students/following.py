"""The work at startup and the jobs: for the modules that follow students, and for the figures of students."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.module import Every
from modules.students.changes import delivery
from modules.students.erasure import service as erasure
from modules.students.stored_figures import update_figures
from modules.students.subjects import catalog
from modules.students.subjects.operations import carry_out_subject_operations


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Store which modules follow students before any job or request needs it, and delete leftovers of erasures."""
    catalog.forget(entirely=True)
    await erasure.register()
    await delivery.register()
    await erasure.sweep()
    yield


async def deliver_changes() -> None:
    """Deliver the feed of changes to the modules that follow it, to its end."""
    while await delivery.deliver():
        pass


# In each process, because another one may run without a module that follows students.
jobs = (
    Every(1, deliver_changes),
    Every(30, erasure.finish_erasures),
    Every(1, carry_out_subject_operations),
    Every(5, update_figures),
)
