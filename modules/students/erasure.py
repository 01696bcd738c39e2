"""Erasing a person: the right of everyone to be forgotten (GDPR, article 17)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from pymongo.errors import DuplicateKeyError

from core.errors import Unavailable
from core.etag import UNCONDITIONAL
from core.keyset import Page, Window
from modules.students import changes, versions
from modules.students.models import Erasure, Student, StudentVersion
from modules.students.versions import StudentNotFound, Writer

# How many of the newest erasures are looked at again.
_SWEPT = 1000


async def erase(roll_no: str, writer: Writer) -> None:
    """Remove the student, deleted or not, with all its history; raises what `versions.change` raises.

    First the student is deleted as any other, and the feed of changes told, which has no way to tell it later.
    The record goes last: as long as it is there, whoever finds the work half done can do it again.
    """
    await sweep()

    def edit(found: Student) -> Student | None:
        return found.deleted(writer.name) if found.deleted_at is None else None

    student = await versions.change(roll_no, edit, writer.expects, also_deleted=True)
    for _ in range(versions.MAX_TRIES):
        await changes.tell(student)
        await _record(student, writer.name)
        if await _remove(student):
            return
        try:  # the same student, whatever the roll number is now
            student = await versions.change_found(partial(_again, student), edit, UNCONDITIONAL)
        except StudentNotFound:
            return
    raise Unavailable("This student is being changed by too many at once.")


async def _again(student: Student) -> Student:
    found = await Student.get(student.id)
    if found is None:
        raise StudentNotFound
    return found


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The time in which the service runs, which begins by looking for what a crash may have left."""
    await sweep()
    yield


async def sweep() -> None:
    """Remove what may have been left of students who were erased: versions that somebody copied into the history too
    late, and died before taking them out again."""
    erased = [erasure.id for erasure in await Erasure.find().sort("-at").limit(_SWEPT).to_list()]
    alive = {
        student["_id"] async for student in Student.get_motor_collection().find({"_id": {"$in": erased}}, {"_id": 1})
    }
    await StudentVersion.find({"student": {"$in": [one for one in erased if one not in alive]}}).delete()


async def _record(student: Student, by: str) -> None:
    with suppress(DuplicateKeyError):  # written by someone whose work was cut short
        await Erasure(id=student.id, who=by).insert()


async def _remove(student: Student) -> bool:
    """Remove history and record; whether the record was still the one that was read."""
    history = StudentVersion.find(StudentVersion.student == student.id)
    await history.delete()
    current = {"_id": student.id, "version": student.version}
    result = await Student.get_motor_collection().delete_one(current)
    await history.delete()  # what a writer who came too late has copied
    return bool(result.deleted_count)


async def list_(window: Window) -> Page[Erasure]:
    """One page of the audit of erasures."""
    return window.page(await Erasure.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())
