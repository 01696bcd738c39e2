"""Renaming a subject, and merging one into another, with a version of each student who has a mark in it.

First the subjects are changed, and what remains understands the name that goes. From then on every write of a student
uses the name that stays, for all of the student's marks. Once every process knows this, a job changes all students who
still have a mark under the other name. It finds those who are left, so another process can resume it at any point. The
students of a merge are logged before they are changed: so an undo knows whom to give the earlier marks back.
"""

from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from core.api import change_if, retry_conflicts
from core.clock import utc_now
from core.database import Page, Window, collection
from core.errors import Conflict, FieldError, NotFound
from modules.students.models import StudentDocument
from modules.students.records.bulk import StudentBulkStore
from modules.students.subject_catalog.models import (
    MergedStudent,
    OperationKind,
    OperationState,
    Subject,
    SubjectOperation,
)
from modules.students.subjects import service
from modules.students.subjects.names import change_names, restore_names
from modules.students.subjects.schemas import SubjectMerge
from modules.students.subjects.service import SubjectBusy
from modules.students.subjects.unused import free_names, student_counts

MAX_CONFLICTS = 500


class SameSubject(Conflict):
    """The subject is called so already, or both names are names of one subject. There is nothing to do;
    `GET /subjects/{subject}` has the names of the subject."""

    title = "Same subject"


class MaximaDiffer(Conflict):
    """The two subjects have different maxima, so the marks of one would mean something else in the other. Nothing was
    changed. Give both the same maximum with `PUT /subjects/{subject}`, and correct the marks, before you merge them."""

    title = "Maxima differ"


class MarksInBoth(Conflict):
    """Students have marks in both subjects, and the request does not say which to keep. Nothing was changed. Choose
    with `on_conflict`: `into`, `from`, `highest` or `lowest`."""

    title = "Marks in both subjects"


class OperationNotFound(NotFound):
    """There is no operation with this id. `GET /subject-operations` lists them."""

    title = "Operation not found"


class OperationNotUndoable(Conflict):
    """The operation cannot be undone: it has failed, it is being undone or has been, or its subject was renamed or
    merged since. `detail` has the reason."""

    title = "Operation cannot be undone"


async def rename(subject: str, to: str, by: str) -> SubjectOperation:
    """Begin to rename a subject. Raise `SubjectNotFound`, `SubjectNameTaken` and `SubjectBusy`, and
    `SameSubject` if it is called so already."""

    async def attempt() -> SubjectOperation | None:
        stored = await service.find(subject)
        if to == stored.name:
            raise _same(f"The subject is called {to} already.", "#/to")
        await free_names({to: "#/to"}, stored)
        kind = OperationKind.RENAME
        return await _begin(SubjectOperation(kind=kind, subject=stored.name, target=to, stays=stored.id, by=by), stored)

    return await retry_conflicts(attempt)


async def merge(subject: str, data: SubjectMerge, by: str) -> SubjectOperation:
    """Begin to merge a subject into another one.

    Raise `SubjectNotFound`, also for the other one, `SameSubject`, `MaximaDiffer`, `MarksInBoth`, `SubjectBusy`,
    and `SubjectNameTaken` if another subject gets one of the names at this moment.
    """

    async def attempt() -> SubjectOperation | None:
        stored, other = await service.find(subject), await service.find(data.into)
        if stored.id == other.id:
            raise _same(f"{data.into} is the same subject.", "#/into")
        check_maxima(stored, other)
        if data.on_conflict is None:
            await check_marks_in_both(stored.name, other.name)
        operation = SubjectOperation(
            kind=OperationKind.MERGE,
            subject=stored.name,
            target=other.name,
            stays=other.id,
            removed=stored.row(),
            on_conflict=data.on_conflict,
            by=by,
        )
        return await _begin(operation, stored, other)

    return await retry_conflicts(attempt)


def check_maxima(subject: Subject, other: Subject) -> None:
    """Raise `MaximaDiffer` if two subjects have different maxima, also if only earlier versions have marks in one."""
    mine, others = service.highest(subject.max), service.highest(other.max)
    if mine != others:
        detail = f"The highest mark in {subject.name} is {mine:g}, and in {other.name} {others:g}."
        raise MaximaDiffer(detail, errors=[FieldError(code="maxima_differ", detail=detail, pointer="#/into")])


async def check_marks_in_both(subject: str, other: str) -> None:
    """Raise `MarksInBoth` if there are students with marks in both subjects."""
    both = {f"marks.{subject}": {"$gte": 0}, f"marks.{other}": {"$gte": 0}, "keys.live": True}
    if students := await collection(StudentDocument).count_documents(both):
        raise MarksInBoth(f"The number of students with marks in {subject} and in {other}: {students}.")


def _same(detail: str, pointer: str) -> SameSubject:
    return SameSubject(detail, errors=[FieldError(code="subject_same", detail=detail, pointer=pointer)])


async def _begin(operation: SubjectOperation, *read: Subject) -> SubjectOperation | None:
    """Store an operation on subjects as they were read, and change them. Return None if one has changed since."""
    operation.total = (await student_counts())[operation.subject]
    operation.active = [operation.subject, operation.target]
    try:
        await operation.insert()
    except DuplicateKeyError:
        raise SubjectBusy from None
    try:
        for subject in read:  # from now on, no other operation changes them
            if not await Subject.find({"_id": subject.id, "version": subject.version}).exists():
                return None if await _withdraw(operation) else operation
        await change_names(operation)
    except (Conflict, NotFound):
        await _withdraw(operation)
        raise
    return operation


async def _withdraw(operation: SubjectOperation) -> bool:
    """Delete an operation, unless the job has started it; return whether it was deleted."""
    waiting = {"_id": operation.id, "started": {"$ne": True}}
    deleted = await collection(SubjectOperation).delete_one(waiting)
    return bool(deleted.deleted_count)


async def undo(operation_id: str, by: str) -> SubjectOperation:
    """Begin to undo an operation, which may still be running: the job then ends with its current batch, and undoes
    everything in its next run. Raise `OperationNotFound`, `OperationNotUndoable`, `SubjectBusy` and
    `SubjectNameTaken`."""
    found = await get(operation_id)
    if found.state not in (OperationState.RUNNING, OperationState.DONE):
        raise OperationNotUndoable(f"The state of this operation is {found.state}.")
    stays = await Subject.get(found.stays)
    is_rename = found.kind is OperationKind.RENAME
    if stays is None or not (stays.name == found.target if is_rename else found.subject in stays.merged):
        raise OperationNotUndoable(f"The subject {found.target} has been changed since.")
    if found.removed:
        gone = Subject.model_validate(found.removed)
        await free_names(dict.fromkeys([gone.name, *gone.aliases]), stays)
    begun = {"state": OperationState.UNDOING, "undone_by": by, "active": [found.subject, stays.name]}
    try:
        update: dict[str, Any] = {"$set": begun, "$unset": {"finished_at": ""}}
        operation = await change_if(SubjectOperation, {"_id": found.id, "state": found.state}, update)
    except DuplicateKeyError:
        raise SubjectBusy from None
    if operation is None:
        raise OperationNotUndoable("Somebody else has just changed the operation. Send the request again.")
    try:
        await restore_names(operation)
    except (Conflict, NotFound):
        await end(operation, OperationState.DONE)
        raise
    return operation


async def get(operation_id: str) -> SubjectOperation:
    """Return an operation. Raise `OperationNotFound`."""
    stored = await SubjectOperation.get(ObjectId(operation_id)) if ObjectId.is_valid(operation_id) else None
    if stored is None:
        raise OperationNotFound(f"There is no operation {operation_id}.")
    found: SubjectOperation = stored
    return found


async def list_(window: Window) -> Page[SubjectOperation]:
    """Return one page of the operations."""
    found = SubjectOperation.find(window.filter).sort(window.sort).limit(window.limit + 1)
    return window.page(await found.to_list())


async def conflicts(operation: SubjectOperation) -> list[tuple[str, MergedStudent]]:
    """Return the students who had marks in both subjects, up to `MAX_CONFLICTS`, by their roll numbers of today."""
    both = {"operation": operation.id, "kept": {"$gte": 0}}
    logged = await MergedStudent.find(both).sort("kept").limit(MAX_CONFLICTS).to_list()
    students = await StudentBulkStore.find_by_id([one.student for one in logged])
    return sorted((students[one.student].roll_no, one) for one in logged if one.student in students)


async def end(operation: SubjectOperation, state: OperationState, detail: str | None = None) -> None:
    """End an operation, unless somebody has begun to undo it meanwhile."""
    absent = {"active": ""} if state is not OperationState.DONE else {"active": "", "undone_by": ""}
    ended = {"state": state, "finished_at": utc_now(), **({"detail": detail} if detail else {})}
    await collection(SubjectOperation).update_one(
        {"_id": operation.id, "state": operation.state}, {"$set": ended, "$unset": absent}
    )
