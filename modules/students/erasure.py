"""Erasing a person: the right of everyone to be forgotten (GDPR, article 17)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from core.errors import Unavailable
from core.keyset import Page, Window
from modules.students import changes, versions
from modules.students.models import Current, Erased, Erasure, Keys, Student, StudentVersion
from modules.students.versions import StudentNotFound, Writer

# How many of the newest erasures are looked at again.
_SWEPT = 1000


async def erase(roll_no: str, writer: Writer) -> None:
    """Remove the student, deleted or not, with all its history; raises what `versions.change` raises.

    First the student is deleted as any other, and the feed of changes told, which has no way to tell it later. Then one
    command empties the record and marks it as being erased: from there on nobody else sees it or writes it, and whoever
    finds the work half done can finish it.
    """
    begun = await Student.find_one({"roll_no": roll_no, "erasing.at": {"$exists": True}})
    if begun:
        await _finish(begun)
        return
    student: Current | None = None
    for _ in range(versions.MAX_TRIES):
        edit = partial(_deleted, by=writer.name, same=student)
        student = await versions.change(roll_no, edit, writer.expects, also_deleted=True)
        await changes.tell(student)
        claimed = await _claim(student, writer.name)
        if claimed:
            await _finish(claimed)
            return
        writer = Writer(writer.name)  # restored in between: what was expected held when the work began
    raise Unavailable("This student is being changed by too many at once.")


def _deleted(student: Current, *, by: str, same: Current | None) -> Current | None:
    if same and student.id != same.id:  # somebody else has the roll number by now
        raise StudentNotFound(f"There is no student {student.roll_no} any more.")
    return student.deleted(by) if student.deleted_at is None else None


async def _claim(student: Current, by: str) -> Student | None:
    """The emptied record, marked as being erased; None if it is not as it was read."""
    nothing = {"name": "", "branch": "", "marks": {}, "keys": Keys().model_dump()}
    erased = await Student.get_motor_collection().find_one_and_update(
        {"_id": student.id, "version": student.version},
        {"$set": {**nothing, "erasing": Erased(who=by).model_dump()}, "$inc": {"version": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return None if erased is None else Student.model_validate(erased)


async def _finish(student: Student) -> None:
    assert student.erasing, "only a student who is being erased is removed"
    history = StudentVersion.find(StudentVersion.student == student.id)
    await history.delete()
    with suppress(DuplicateKeyError):  # written by someone whose work was cut short
        await Erasure(id=student.id, **student.erasing.model_dump()).insert()
    await student.delete()
    await history.delete()  # what a writer who came too late has copied


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The time in which the service runs, which begins by finishing what a crash may have left."""
    async for student in Student.find({"erasing.at": {"$exists": True}}):
        await _finish(student)
    await _sweep()
    yield


async def _sweep() -> None:
    """Remove what may have been left of students who were erased: versions that somebody copied into the history too
    late, and died before taking them out again."""
    erased = [erasure.id for erasure in await Erasure.find().sort("-at").limit(_SWEPT).to_list()]
    await StudentVersion.find({"student": {"$in": erased}}).delete()


async def list_(window: Window) -> Page[Erasure]:
    """One page of the audit of erasures."""
    return window.page(await Erasure.find(window.filter).sort(window.sort).limit(window.limit + 1).to_list())
