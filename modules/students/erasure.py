"""Erasing a person: the right of everyone to be forgotten (GDPR, article 17)."""

from contextlib import suppress

from pymongo.errors import DuplicateKeyError

from core.errors import Unavailable
from core.etag import UNCONDITIONAL
from core.keyset import Page, Window
from modules.students import changes, versions
from modules.students.models import Erasure, Student, StudentVersion
from modules.students.versions import Writer


async def erase(roll_no: str, writer: Writer) -> None:
    """Remove the student, deleted or not, with all its history; raises what `versions.change` raises.

    First the student is deleted as any other, and the feed of changes told, which has no way to tell it later.
    The record goes last: as long as it is there, whoever finds the work half done can do it again.
    """
    expects = writer.expects
    for _ in range(versions.MAX_TRIES):
        student = await versions.change(roll_no, lambda found: _deleted(found, writer.name), expects, also_deleted=True)
        await changes.tell(student)
        await _record(student, writer.name)
        if await _remove(student):
            return
        expects = UNCONDITIONAL  # they held when the work began
    raise Unavailable("This student is being changed by too many at once.")


def _deleted(student: Student, by: str) -> Student | None:
    return student.deleted(by) if student.deleted_at is None else None


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
