"""The past of a student: what each version changed, how the record was then, and the way back to it."""

from collections.abc import Iterator

from beanie import PydanticObjectId

from core.database import Page, Window
from core.errors import Conflict, NotFound
from modules.students.models import Action, StudentSnapshot, StudentVersion, StudentVersionData
from modules.students.records import store
from modules.students.records.store import Writer
from modules.students.schemas import FieldChange, VersionSummary


class VersionNotFound(NotFound):
    """The student has no version of this number. `GET /students/{roll_no}/history` lists those there are."""

    title = "No such version"


class NotDeleted(Conflict):
    """The student is not deleted. To go back to an earlier version, name it with `version`."""

    title = "Not deleted"


async def list_(roll_no: str, window: Window) -> Page[VersionSummary]:
    """One page of the versions of a student, deleted or not; raises `StudentNotFound`. Versions have no gaps, so a
    page is a range of numbers."""
    student = await store.get_also_deleted(roll_no)
    lowest, highest = _range(window, student.version)
    records = await _between(student, lowest - 1, highest)  # one more, to tell what the lowest changed
    pairs = zip([None, *records], records, strict=False)
    found = [_summary(before, record) for before, record in pairs if record.version >= lowest]
    there = bool(found)  # nothing, where a cursor is of another student who had this number before
    return Page(found[::-1], has_previous=there and highest < student.version, has_next=there and lowest > 1)


def _range(window: Window, current: int) -> tuple[int, int]:
    """The lowest and the highest version of a page whose list runs from the newest to the oldest."""
    if window.position is not None and window.backwards:
        lowest = window.position[0] + 1
        return lowest, min(current, lowest + window.limit - 1)
    highest = current if window.position is None else window.position[0] - 1
    return max(1, highest - window.limit + 1), highest


async def _between(student: StudentSnapshot, lowest: int, highest: int) -> list[StudentVersionData]:
    """The versions of these numbers that there are, in order. The current one is the student itself: a copy of it may
    already be in the history."""
    numbers = {"version": {"$gte": lowest, "$lte": min(highest, student.version - 1)}}
    past = await StudentVersion.find(StudentVersion.student == student.id, numbers).sort("+version").to_list()
    return [*past, student] if lowest <= student.version <= highest else [*past]


async def get(roll_no: str, version: int) -> tuple[StudentVersionData, PydanticObjectId]:
    """One version of a student, deleted or not, and the student's `_id`. Raises `StudentNotFound`,
    `VersionNotFound`."""
    student = await store.get_also_deleted(roll_no)
    assert student.id
    found = await _between(student, version, version)
    if not found:
        raise VersionNotFound(f"The student {roll_no} has no version {version}.")
    return found[0], student.id


async def restore(roll_no: str, version: int | None, writer: Writer) -> StudentSnapshot:
    """Bring a deleted student back; with a version, let name, branch and marks be what they were then, deleted or not.
    Raises `NotDeleted`, `VersionNotFound`, and what `versions.change` raises."""
    past = None if version is None else await get(roll_no, version)

    def edit(student: StudentSnapshot) -> StudentSnapshot:
        if past is None:
            if student.deleted_at is None:
                raise NotDeleted(f"The student {roll_no} is not deleted.")
            return student.successor(Action.RESTORED, writer.name, deleted_at=None)
        record, owner = past
        if owner != student.id:
            raise VersionNotFound(f"The student {roll_no} is not the one that had this version.")
        content = record.model_dump(include={"name", "branch", "marks"})
        return student.successor(Action.RESTORED, writer.name, deleted_at=None, **content)

    return await store.change(roll_no, edit, writer.expects, also_deleted=True)


def _summary(before: StudentVersionData | None, record: StudentVersionData) -> VersionSummary:
    return VersionSummary(
        version=record.version,
        action=record.action,
        at=record.updated_at,
        by=record.updated_by,
        source=record.source,
        changes=list(_changes(_fields(before) if before else {}, _fields(record))),
    )


def _fields(record: StudentVersionData) -> dict[str, str | int | float]:
    """What can change of a record, each field by its name."""
    marks = {f"marks.{subject}": mark for subject, mark in record.marks.items()}
    return {"roll_no": record.roll_no, "name": record.name, "branch": record.branch, **marks}


def _changes(before: dict[str, str | int | float], after: dict[str, str | int | float]) -> Iterator[FieldChange]:
    for field in {**before, **after}:
        was, is_ = before.get(field), after.get(field)
        if was != is_:
            yield FieldChange(field=field, before=was, after=is_)
