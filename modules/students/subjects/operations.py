"""Renaming a subject, and merging one into another, with a version of each student who has a mark in it.

First the subjects are changed, and what remains understands the name that goes. From then on every write of a student
uses the name that stays, for all of the student's marks. Once every process knows this, a job changes all students who
still have a mark under the other name. It finds those who are left, so another process can resume it at any point. The
students of a merge are logged before they are changed: so an undo knows whom to give the earlier marks back.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from core.api import change_if, retry_conflicts
from core.clock import utc_now
from core.database import (
    Lease,
    LeaseLost,
    Page,
    Window,
    check_disk_space,
    collection,
    insert_ignoring_duplicates,
    operation_timeout,
    read_majority,
    stored_form,
)
from core.errors import Conflict, FieldError, NotFound
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.bulk import StudentBulkStore
from modules.students.records.store import PAUSE_SECONDS
from modules.students.records.write_batch import Write
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.models import (
    ConflictRule,
    MergedStudent,
    OperationKind,
    OperationState,
    Subject,
    SubjectOperation,
    exact_key,
    is_exact,
    spelling_key,
)
from modules.students.subjects import service
from modules.students.subjects.schemas import SubjectMerge
from modules.students.subjects.service import SubjectBusy, SubjectNameTaken, SubjectNotFound

BATCH = 500
MAX_CONFLICTS = 500

_LEASE = "subject operations"


class SameSubject(Conflict):
    """The subject is called so already, or both names are names of one subject. There is nothing to do;
    `GET /subjects/{subject}` has the names of the subject."""

    title = "Same subject"


class MarksInBoth(Conflict):
    """Students have marks in both subjects, and the request does not say which to keep. Nothing was changed. Choose
    with `on_conflict`: `into`, `from`, `highest` or `lowest`."""

    title = "Marks in both subjects"


class OperationNotFound(NotFound):
    """There is no operation with this id. `GET /subject-operations` lists them."""

    title = "Operation not found"


class OperationNotUndoable(Conflict):
    """The operation cannot be undone: it has been undone, or its subject was renamed or merged since. `detail` has the
    reason."""

    title = "Operation cannot be undone"


async def rename(subject: str, to: str, by: str) -> SubjectOperation:
    """Begin to rename a subject. Raise `SubjectNotFound`, `SubjectNameTaken` and `SubjectBusy`, and
    `SameSubject` if it is called so already."""

    async def attempt() -> SubjectOperation | None:
        stored = await service.find(subject)
        if to == stored.name:
            raise _same(f"The subject is called {to} already.", "#/to")
        await service.free_names({to: "#/to"}, stored)
        kind = OperationKind.RENAME
        return await _begin(SubjectOperation(kind=kind, subject=stored.name, target=to, stays=stored.id, by=by), stored)

    return await retry_conflicts(attempt)


async def merge(subject: str, data: SubjectMerge, by: str) -> SubjectOperation:
    """Begin to merge a subject into another one.

    Raise `SubjectNotFound`, also for the other one, `SameSubject`, `MarksInBoth`, `MarksAboveMaximum` and
    `SubjectBusy`.
    """

    async def attempt() -> SubjectOperation | None:
        stored, other = await service.find(subject), await service.find(data.into)
        if stored.id == other.id:
            raise _same(f"{data.into} is the same subject.", "#/into")
        await service.check_marks(stored.name, service.highest(other.max), "#/into")
        if data.on_conflict is None:
            await _check_marks_in_both(stored.name, other.name)
        operation = SubjectOperation(
            kind=OperationKind.MERGE,
            subject=stored.name,
            target=other.name,
            stays=other.id,
            removed={"_id": stored.id, **stored_form(stored)},
            on_conflict=data.on_conflict,
            by=by,
        )
        return await _begin(operation, stored, other)

    return await retry_conflicts(attempt)


async def _check_marks_in_both(subject: str, other: str) -> None:
    both = {f"marks.{subject}": {"$gte": 0}, f"marks.{other}": {"$gte": 0}, "keys.live": True}
    if students := await collection(StudentDocument).count_documents(both):
        raise MarksInBoth(f"The number of students with marks in {subject} and in {other}: {students}.")


def _same(detail: str, pointer: str) -> SameSubject:
    return SameSubject(detail, errors=[FieldError(code="subject_same", detail=detail, pointer=pointer)])


async def _begin(operation: SubjectOperation, *read: Subject) -> SubjectOperation | None:
    """Store an operation on subjects as they were read, and change them. Return None if one has changed since."""
    operation.total = (await service.student_counts())[operation.subject]
    operation.active = [operation.subject, operation.target]
    try:
        await operation.insert()
    except DuplicateKeyError:
        raise SubjectBusy from None
    try:
        for subject in read:  # from now on, no other operation changes them
            if not await Subject.find({"_id": subject.id, "version": subject.version}).exists():
                await operation.delete()
                return None
        await _switch(operation)
    except (Conflict, NotFound):
        await operation.delete()
        raise
    return operation


async def _switch(operation: SubjectOperation) -> None:
    """Change the subjects, unless an interrupted run has done so. Raise `SubjectNameTaken`, and `SubjectNotFound` if
    the subject has been removed."""

    async def attempt() -> Subject | None:
        stays = await Subject.get(operation.stays)
        if stays is None:
            raise SubjectNotFound(f"The subject {operation.target} is gone.")
        if operation.kind is OperationKind.MERGE:
            return await _merged(stays, operation)
        return await _renamed(stays, operation.target, operation.by)

    try:
        await retry_conflicts(attempt)
    except DuplicateKeyError:
        raise SubjectNameTaken(f"Another subject has the name or the alias {operation.target}.") from None
    finally:
        catalog.forget()


async def _renamed(subject: Subject, to: str, by: str) -> Subject | None:
    """Give a subject another name; the earlier one becomes an alias."""
    if subject.name == to:
        return subject
    own, *others = subject.spellings
    new = spelling_key(to)
    earlier = [] if is_exact(own) or own == new else [subject.name]
    aliases = [alias for alias in subject.aliases if spelling_key(alias) != new] + earlier
    keys = list(dict.fromkeys([new, *([own] if is_exact(own) else []), *filter(is_exact, others), *_keys(aliases)]))
    changes = {"name": to, "spellings": keys, "aliases": aliases}
    return await subject.change(service.logged(subject, by, changes))


def _keys(aliases: Sequence[str]) -> list[str]:
    return [spelling_key(alias) for alias in aliases]


async def _merged(stays: Subject, operation: SubjectOperation) -> Subject | None:
    """Remove the subject that is merged, and let the one that stays understand its names."""
    gone = Subject.model_validate(operation.removed)
    # Also what a concurrent write has registered under its names, after an earlier attempt.
    again = {"spellings": {"$in": gone.spellings}, "declared": False, "_id": {"$ne": stays.id}}
    await collection(Subject).delete_many({"$or": [{"_id": gone.id}, again]})
    own, *others = stays.spellings
    if is_exact(own) and (plain := spelling_key(stays.name)) in gone.spellings:
        own = plain
    new = {*gone.spellings} - {own, *others}
    aliases = [*stays.aliases, *(one for one in [gone.name, *gone.aliases] if spelling_key(one) in new)]
    keys = list(dict.fromkeys([own, *others, *filter(is_exact, gone.spellings), *_keys(aliases)]))
    merged = stays.merged | {gone.name: operation.on_conflict or ConflictRule.INTO}
    changes = {"spellings": keys, "aliases": aliases, "merged": merged}
    if all(getattr(stays, name) == value for name, value in changes.items()):
        return stays
    return await stays.change(service.logged(stays, operation.by, changes))


async def _separated(operation: SubjectOperation) -> None:
    """Undo `_merged`, unless an interrupted run has done so."""
    gone = Subject.model_validate(operation.removed)

    async def attempt() -> Subject | None:
        stays = await Subject.get(operation.stays)
        if stays is None or gone.name not in stays.merged:
            return stays or gone
        left = {*stays.spellings} - {*gone.spellings}
        aliases = [alias for alias in stays.aliases if spelling_key(alias) not in gone.spellings]
        own = stays.spellings[0] if stays.spellings[0] in left else exact_key(stays.name)
        keys = list(dict.fromkeys([own, *(key for key in stays.spellings if key in left)]))
        merged = {name: rule for name, rule in stays.merged.items() if name != gone.name}
        changes = {"spellings": keys, "aliases": aliases, "merged": merged}
        return await stays.change(service.logged(stays, operation.undone_by or operation.by, changes))

    await retry_conflicts(attempt)
    gone.version += 1
    row = {"_id": gone.id, **stored_form(gone)}
    await insert_ignoring_duplicates(Subject, [row])
    catalog.forget()


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
    begun = {"state": OperationState.UNDOING, "undone_by": by, "active": [found.subject, stays.name]}
    try:
        update: dict[str, Any] = {"$set": begun, "$unset": {"finished_at": ""}}
        operation = await change_if(SubjectOperation, {"_id": found.id, "state": found.state}, update)
    except DuplicateKeyError:
        raise SubjectBusy from None
    if operation is None:
        raise OperationNotUndoable("The operation has just ended, or somebody else is undoing it.")
    try:
        await _switch_back(operation)
    except (Conflict, NotFound):
        await _end(operation, OperationState.DONE)
        raise
    return operation


async def _switch_back(operation: SubjectOperation) -> None:
    if operation.kind is OperationKind.MERGE:
        await _separated(operation)
    else:
        await _switch(_reversed(operation))


def _reversed(operation: SubjectOperation) -> SubjectOperation:
    """Return the renaming that undoes a renaming."""
    by = operation.undone_by or operation.by
    changes = {"subject": operation.target, "target": operation.subject, "by": by}
    reversed_: SubjectOperation = operation.model_copy(update=changes)
    return reversed_


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


async def carry_out_subject_operations() -> None:
    """Carry out the operations that have begun, one after the other, unless another process does so."""
    if not await SubjectOperation.find({"active": {"$gt": ""}}).exists():
        return
    if lease := await Lease.try_acquire(_LEASE):
        try:
            with suppress(LeaseLost):  # then another process goes on
                await lease.run_while_held(_carry_out_all)
        finally:
            await lease.release()


async def _carry_out_all() -> None:
    for operation in await SubjectOperation.find({"active": {"$gt": ""}}).sort("_id").to_list():
        await _carry_out(operation)


async def _carry_out(operation: SubjectOperation) -> None:
    is_undo = operation.state is OperationState.UNDOING
    try:
        await (_switch_back if is_undo else _switch)(operation)
        # Until then, other processes may write marks under the name that goes.
        await asyncio.sleep(catalog.MAX_AGE_SECONDS)
        if is_undo and operation.kind is OperationKind.MERGE:
            await _restore(operation)
        else:
            await _rename_marks(operation, operation.target if is_undo else operation.subject)
    except (Conflict, NotFound) as problem:  # the subjects were changed after an interruption
        await _end(operation, OperationState.FAILED, problem.detail)
    else:
        await _end(operation, OperationState.UNDONE if is_undo else OperationState.DONE)


async def _end(operation: SubjectOperation, state: OperationState, detail: str | None = None) -> None:
    """End an operation, unless somebody has begun to undo it meanwhile."""
    ended = {"state": state, "finished_at": utc_now(), **({"detail": detail} if detail else {})}
    await collection(SubjectOperation).update_one(
        {"_id": operation.id, "state": operation.state}, {"$set": ended, "$unset": {"active": ""}}
    )


async def _count(operation: SubjectOperation, **counted: int) -> None:
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$inc": counted})


async def _rename_marks(operation: SubjectOperation, subject: str) -> None:
    """Change all students with a mark under the name that goes, until there is none."""
    is_undo = operation.state is OperationState.UNDOING
    store = _store(operation)
    marked = {f"marks.{subject}": {"$gte": 0}, "keys.live": True, "erasing": None}
    while True:
        check_disk_space()
        with operation_timeout():
            rows = await read_majority(StudentDocument).find(marked).limit(BATCH).to_list(None)
            known = await SubjectCatalog.read()
            if not rows:
                return
            if known.find(subject) == subject:
                raise Conflict(f"The subject {subject} is there again.")
            students = map(StudentSnapshot.of, rows)
            writes = [store.changed(one, {"marks": known.respelled(one.marks)}) for one in students]
            both = await _log(operation, writes) if operation.kind is OperationKind.MERGE else set[Any]()
            made = [write for write, is_made in zip(writes, await store.write_all(writes), strict=True) if is_made]
            counts = {"changed": len(made), "conflicts": sum(write.successor.id in both for write in made)}
            await _count(operation, **({"restored": len(made)} if is_undo else counts))
        if len(made) < len(writes):
            await asyncio.sleep(PAUSE_SECONDS)  # until the competing writes are replicated to a majority


def _store(operation: SubjectOperation) -> StudentBulkStore:
    if operation.state is OperationState.UNDOING:
        return StudentBulkStore(operation.undone_by or operation.by, f"undo of {operation.source}")
    return StudentBulkStore(operation.by, operation.source)


async def _log(operation: SubjectOperation, writes: Sequence[Write]) -> set[Any]:
    """Log the students of a merge before they are changed. Return the `_id`s of those who have marks in both subjects.

    An entry of an earlier attempt, whose write was not made, is replaced.
    """
    entries = [_entry(operation, write) for write in writes]
    await collection(MergedStudent).delete_many(
        {"operation": operation.id, "student": {"$in": [entry.student for entry in entries]}}
    )
    await MergedStudent.insert_many(entries)
    return {entry.student for entry in entries if entry.kept is not None}


def _entry(operation: SubjectOperation, write: Write) -> MergedStudent:
    assert write.current
    assert write.successor.id
    assert operation.id
    marks, merged = write.current.marks, write.successor.marks
    into = marks.get(operation.target)
    return MergedStudent(
        operation=operation.id,
        student=write.successor.id,
        after=write.successor.version,
        into=into,
        from_mark=None if into is None else marks[operation.subject],
        kept=None if into is None else merged[operation.target],
    )


async def _restore(operation: SubjectOperation) -> None:
    """Give each student of a merge the earlier marks back, unless the student has been changed since."""
    store, last = _store(operation), ObjectId(bytes(12))
    restored = kept = 0
    while True:
        check_disk_space()
        with operation_timeout():
            page = MergedStudent.find({"operation": operation.id, "_id": {"$gt": last}}).sort("_id").limit(BATCH)
            if not (entries := await page.to_list()):
                break
            last = ObjectId(entries[-1].id)
            students = await store.find_by_id([entry.student for entry in entries])
            before = await store.versions_of([(ObjectId(entry.student), entry.after - 1) for entry in entries])
            writes = [
                store.reverted(students[entry.student], before[entry.student])
                for entry in entries
                if entry.student in before and _is_unchanged(operation, entry, students.get(entry.student))
            ]
            done = sum(await store.write_all(writes)) + sum(map(store.has_made, students.values()))
            restored, kept = restored + done, kept + len(students) - done
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$set": {"restored": restored, "kept": kept}})


def _is_unchanged(operation: SubjectOperation, entry: MergedStudent, student: StudentSnapshot | None) -> bool:
    return student is not None and student.version == entry.after and student.source == operation.source
