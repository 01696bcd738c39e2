"""Operations on one student. Each write creates a new version."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import PydanticCustomError

from core.api import UNCONDITIONAL, json_pointer, retry_conflicts
from core.errors import Conflict, FieldError, InvalidRequest, NotFound
from modules.students.fields import check_number_of_subjects
from modules.students.models import Action, StudentSnapshot
from modules.students.records import store
from modules.students.records.store import RollNoTaken, StudentNotFound, Writer, taken
from modules.students.records.write_batch import Outcome, Write, write
from modules.students.schemas import StudentCreate, StudentPatch, StudentReplace
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import above_maximum, out_of_range

Marks = Mapping[str, int | float]


class MarkNotFound(NotFound):
    """The student has no mark in this subject. `GET /students/{roll_no}` returns all marks of the student."""

    title = "Mark not found"


class OtherRollNo(Conflict):
    """The body has another roll number than the URL (RFC 9110, section 9.3.4). Leave it out, or change it with
    `POST /students/{roll_no}/rename`."""

    title = "Other roll number"


async def create(data: StudentCreate, writer: Writer, *, continues: bool = False) -> StudentSnapshot:
    """Insert a new student, with a history of its own. With `continues`, a deleted student with the same roll number is
    created again instead, and keeps its history.

    The unique index ensures that only one of two concurrent requests succeeds. Raise `RollNoTaken`, `StudentMerged`,
    or `Unavailable` while a student with this roll number is being erased or merged.
    """
    content = data.model_dump()

    async def attempt() -> StudentSnapshot | None:
        marks = (await SubjectCatalog.read()).respelled(data.marks)
        _check_maxima(marks, {})
        student = StudentSnapshot.new(writer.name, **content | {"marks": marks})
        if continues:
            with suppress(StudentNotFound):  # nobody has the number, or that student is being erased
                return await _create_again(student)
        if await write(Write(None, student)) is Outcome.MADE:
            return student
        with suppress(StudentNotFound):  # that student is being erased or merged, or has just been: try again
            await store.get(data.roll_no)
            raise taken(data.roll_no)
        return None

    return await retry_conflicts(attempt, f"The student {data.roll_no} is being erased or merged.")


async def _create_again(new: StudentSnapshot) -> StudentSnapshot:
    content = new.model_dump(include={"name", "branch", "marks", "created_at"})

    def edit(deleted: StudentSnapshot) -> StudentSnapshot:
        if deleted.deleted_at is None:
            raise taken(new.roll_no)
        return deleted.successor(Action.CREATED, new.updated_by, deleted_at=None, **content)

    return await store.change(new.roll_no, edit, UNCONDITIONAL, also_deleted=True)


async def replace(roll_no: str, data: StudentReplace, writer: Writer) -> StudentSnapshot:
    """Replace the content of the record by `data`.

    Raise `OtherRollNo` if `data` has another roll number, and the errors of `store.change`.
    """
    _check_same_roll_no(roll_no, data.roll_no)
    content = data.model_dump(exclude={"roll_no"})

    def edit(student: StudentSnapshot) -> StudentSnapshot | None:
        marks = SubjectCatalog.current().respelled(data.marks)
        return _updated(student, writer, content | {"marks": marks})

    return await store.change(roll_no, edit, writer.expects)


async def put(
    roll_no: str, data: StudentReplace, writer: Writer, *, continues: bool = False
) -> tuple[StudentSnapshot, bool]:
    """Create the student if the request has `If-None-Match: *`; otherwise, or if the student exists, call `replace`.

    Return the student, and whether it was created.
    """
    expects = writer.expects
    if expects.if_match or not (expects.if_none_match and expects.if_none_match.any):
        return await replace(roll_no, data, writer), False
    _check_same_roll_no(roll_no, data.roll_no)
    new = StudentCreate(roll_no=roll_no, **data.model_dump(exclude={"roll_no"}))
    try:
        return await create(new, writer, continues=continues), True
    except RollNoTaken:
        return await replace(roll_no, data, writer), False


async def patch(roll_no: str, data: StudentPatch, writer: Writer) -> StudentSnapshot:
    """Merge `data` into the record (RFC 7396). Raise the errors of `replace`."""
    changes = data.model_dump(exclude_unset=True)
    _check_same_roll_no(roll_no, changes.pop("roll_no", None))
    marks = changes.pop("marks", {})

    def edit(student: StudentSnapshot) -> StudentSnapshot | None:
        known = SubjectCatalog.current()
        changed = {known.name_of(subject): mark for subject, mark in marks.items()}
        return _updated(student, writer, changes | {"marks": _merged(known.respelled(student.marks), changed)})

    return await store.change(roll_no, edit, writer.expects)


async def set_mark(roll_no: str, subject: str, mark: float, writer: Writer) -> StudentSnapshot:
    """Set the mark of one subject. Raise the errors of `patch`."""
    return await patch(roll_no, StudentPatch(marks={subject: mark}), writer)


async def remove_mark(roll_no: str, subject: str, writer: Writer) -> StudentSnapshot:
    """Delete the mark of one subject. Raise `MarkNotFound`, and the errors of `store.change`."""

    def edit(student: StudentSnapshot) -> StudentSnapshot | None:
        known = SubjectCatalog.current()
        marks, name = known.respelled(student.marks), known.name_of(subject)
        if name not in marks:
            raise MarkNotFound(f"The student {roll_no} has no mark in {name}.")
        return _updated(student, writer, {"marks": _merged(marks, {name: None})})

    return await store.change(roll_no, edit, writer.expects)


async def rename(roll_no: str, new_roll_no: str, writer: Writer) -> StudentSnapshot:
    """Change the roll number. Raise `RollNoTaken`, and the errors of `store.change`."""

    def edit(student: StudentSnapshot) -> StudentSnapshot | None:
        if student.roll_no == new_roll_no:
            return None
        return student.successor(Action.RENAMED, writer.name, roll_no=new_roll_no)

    return await store.change(roll_no, edit, writer.expects)


async def delete(roll_no: str, writer: Writer) -> StudentSnapshot:
    """Mark the student as deleted and keep its history. Raise the errors of `store.change`."""
    return await store.change(roll_no, lambda student: student.deleted(writer.name), writer.expects)


def _check_same_roll_no(roll_no: str, given: str | None) -> None:
    if given not in (None, roll_no):
        detail = f"This must be {roll_no}, as in the URL, or be left out."
        raise OtherRollNo(errors=[FieldError(code="roll_no_url", detail=detail, pointer="#/roll_no")])


def _updated(student: StudentSnapshot, writer: Writer, content: dict[str, Any]) -> StudentSnapshot | None:
    """Return the next version with this content, or None if the content is unchanged: then nothing is written."""
    _check_maxima(content["marks"], student.marks)
    same = all(getattr(student, field) == value for field, value in content.items())
    return None if same else student.successor(Action.UPDATED, writer.name, **content)


def _check_maxima(marks: Marks, before: Marks) -> None:
    """Raise `InvalidRequest` if a maximum has been lowered below a new mark since the request was validated."""
    known = SubjectCatalog.current()
    if above := above_maximum(marks, before, known):
        raise InvalidRequest(
            errors=[
                FieldError(
                    code="mark_range",
                    detail=out_of_range(known.max_of(subject)),
                    pointer=json_pointer(["marks", subject]),
                )
                for subject in above
            ]
        )


def _merged(marks: dict[str, int | float], changes: dict[str, int | float | None]) -> dict[str, int | float]:
    merged = {subject: mark for subject, mark in (marks | changes).items() if mark is not None}
    try:
        check_number_of_subjects(merged)
    except PydanticCustomError as error:
        raise InvalidRequest(errors=[FieldError(code=error.type, detail=error.message(), pointer="#/marks")]) from None
    return merged
