"""The versions of a student: their changes, their content, and how to restore one."""

from typing import Any

from beanie import PydanticObjectId

from core.database import Page, Window
from core.errors import Conflict, NotFound
from modules.students.field_changes import differences
from modules.students.models import Action, StudentDocument, StudentSnapshot, StudentVersion, StudentVersionData
from modules.students.records import store
from modules.students.records.store import Writer
from modules.students.schemas import FieldChange, VersionSummary
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import earlier_marks


class VersionNotFound(NotFound):
    """The student has no version with this number. `GET /students/{roll_no}/history` lists the existing versions."""

    title = "Version not found"


class NotDeleted(Conflict):
    """The student is not deleted. To restore an earlier version, pass its number as `version`."""

    title = "Not deleted"


async def list_(student: StudentSnapshot, window: Window) -> Page[VersionSummary]:
    """Return one page of the versions of a student. Versions have no gaps, so a page is a range of numbers."""
    lowest, highest = _range(window, student.version)
    records = await _between(student, lowest - 1, highest)  # one more, to compute the changes of the lowest
    pairs = zip([None, *records], records, strict=False)
    found = [_summary(before, record) for before, record in pairs if record.version >= lowest]
    return Page(found[::-1], has_previous=highest < student.version, has_next=lowest > 1)


def _range(window: Window, current: int) -> tuple[int, int]:
    """Return the lowest and the highest version of a page. The list runs from the newest to the oldest."""
    if window.position is not None and window.backwards:
        lowest = window.position[0] + 1
        return lowest, min(current, lowest + window.limit - 1)
    highest = current if window.position is None else window.position[0] - 1
    return max(1, highest - window.limit + 1), highest


async def _between(student: StudentSnapshot, lowest: int, highest: int) -> list[StudentVersionData]:
    """Return the existing versions of a range, in order.

    The current version is always taken from `student`, since a copy of it may already be in the history.
    """
    numbers = {"version": {"$gte": lowest, "$lte": min(highest, student.version - 1)}}
    past = await StudentVersion.find(StudentVersion.student == student.id, numbers).sort("+version").to_list()
    return [*past, student] if lowest <= student.version <= highest else [*past]


async def get(roll_no: str, version: int, holder: str | None = None) -> tuple[StudentVersionData, PydanticObjectId]:
    """Return one version of a student, as in `store.get_also_deleted`, and the student's `_id`. Raise `StudentNotFound`
    or `VersionNotFound`."""
    student = await store.get_also_deleted(roll_no, holder)
    assert student.id
    found = await _between(student, version, version)
    if not found:
        raise VersionNotFound(f"The student {roll_no} has no version {version}.")
    return found[0], student.id


async def restore(roll_no: str, version: int | None, writer: Writer, holder: str | None = None) -> StudentSnapshot:
    """Restore a deleted student, or with `version` the name, branch and marks of that version, deleted or not.

    With `holder`, restore a former holder of the roll number; a deleted student who has it now gives it up. Raise
    `NotDeleted`, `VersionNotFound`, `EarlierMarksDoNotFit`, and the errors of `store.change`.
    """
    past = None if version is None else await get(roll_no, version, holder)

    def edit(student: StudentSnapshot) -> StudentSnapshot:
        known = SubjectCatalog.current()
        if past is None:
            if student.deleted_at is None:
                raise NotDeleted(f"The student {roll_no} is not deleted.")
            marks = earlier_marks(student.marks, known)
            return student.successor(Action.RESTORED, writer.name, deleted_at=None, former=None, marks=marks)
        record, owner = past
        if owner != student.id:
            raise VersionNotFound(f"This version belongs to another student who had the roll number {roll_no} before.")
        content = record.model_dump(include={"name", "branch"}) | {"marks": earlier_marks(record.marks, known)}
        return student.successor(Action.RESTORED, writer.name, deleted_at=None, former=None, **content)

    return await store.change(roll_no, edit, writer.expects, also_deleted=True, holder=holder)


async def former_holders(roll_no: str, window: Window) -> Page[StudentDocument]:
    """Return one page of the deleted students whose roll number was given to another student."""
    query = {"$and": [store.former_holders(roll_no), window.filter]} if window.filter else store.former_holders(roll_no)
    return window.page(await StudentDocument.find(query).sort(window.sort).limit(window.limit + 1).to_list())


def _summary(before: StudentVersionData | None, record: StudentVersionData) -> VersionSummary:
    changed = differences(_content(before) if before else {}, _content(record))
    return VersionSummary(
        version=record.version,
        action=record.action,
        at=record.updated_at,
        by=record.updated_by,
        source=record.source,
        changes=[FieldChange(field=field, before=was, after=is_) for field, was, is_ in changed],
    )


def _content(record: StudentVersionData) -> dict[str, Any]:
    return record.model_dump(include={"roll_no", "name", "branch", "marks"})
