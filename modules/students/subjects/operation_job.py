"""The job that carries out renamings and mergings of subjects, and undoes them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId

from core.api import change_if
from core.clock import utc_now
from core.database import Lease, check_disk_space, collection, operation_timeout, read_majority
from core.errors import Conflict, NotFound
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.bulk import StudentBulkStore
from modules.students.records.store import PAUSE_SECONDS
from modules.students.records.write_batch import Write
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import Mark, SubjectCatalog
from modules.students.subject_catalog.models import (
    MergedStudent,
    OperationKind,
    OperationState,
    Subject,
    SubjectOperation,
)
from modules.students.subjects import service
from modules.students.subjects.names import change_names, restore_names
from modules.students.subjects.operations import check_marks_in_both, end

BATCH = 500

LATE_WRITES_FOR = timedelta(minutes=5)
"""For this long after an operation has ended, writes that began before it may still arrive."""


async def carry_out_subject_operations() -> None:
    """Carry out the operations that have begun, one after the other, unless another process does so."""
    if not await SubjectOperation.find({"active": {"$gt": ""}}).exists():
        return
    await Lease.run_exclusively("subject operations", _carry_out_all)


async def _carry_out_all() -> None:
    for operation in await SubjectOperation.find({"active": {"$gt": ""}}).sort("_id").to_list():
        await _carry_out(operation)


async def rename_late_marks() -> None:
    """Look again at the operations that ended a short time ago, for marks under the earlier name whose writes took
    very long, such as through an election of MongoDB."""
    ended = {"finished_at": {"$gt": utc_now() - LATE_WRITES_FOR}}
    for operation in await SubjectOperation.find(ended).sort("_id").to_list():
        subject = operation.target if operation.is_undo else operation.subject
        known = await SubjectCatalog.read()
        if operation.state is not OperationState.FAILED and known.find(subject) not in (None, subject):
            await _rename_marks(operation, subject)


async def _carry_out(operation: SubjectOperation) -> None:
    as_read = {"_id": operation.id, "state": operation.state}
    if not await change_if(SubjectOperation, as_read, {"$set": {"started": True}}):
        return
    try:
        await (restore_names if operation.is_undo else change_names)(operation)
        # Until then, other processes may write marks under the name that goes.
        await asyncio.sleep(catalog.MAX_AGE_SECONDS)
        if operation.is_undo and operation.kind is OperationKind.MERGE:
            await _restore(operation)
        else:
            await _check_again(operation)
            await _rename_marks(operation, operation.target if operation.is_undo else operation.subject)
    except (Conflict, NotFound) as problem:  # the subjects were changed after an interruption
        await end(operation, OperationState.FAILED, problem.detail)
    else:
        await end(operation, OperationState.UNDONE if operation.is_undo else OperationState.DONE)


async def _check_again(operation: SubjectOperation) -> None:
    """Take a merge back, and raise the errors of `operations.merge`, for marks that were written before every process
    knew of it."""
    if operation.kind is OperationKind.RENAME or operation.changed:
        return
    stays = await Subject.get(operation.stays)
    try:
        await service.check_marks(operation.subject, service.highest(stays and stays.max), "#/into")
        if operation.on_conflict is None:
            await check_marks_in_both(operation.subject, operation.target)
    except Conflict:
        await restore_names(operation)
        raise


async def _count(operation: SubjectOperation, **counted: int) -> None:
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$inc": counted})


async def _rename_marks(operation: SubjectOperation, subject: str) -> None:
    """Change all students with a mark under the name that goes, until there is none."""
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
                raise Conflict(f"The subject {subject} exists again.")
            students = map(StudentSnapshot.of, rows)
            writes = [store.changed(one, {"marks": _renamed_marks(one.marks, operation, known)}) for one in students]
            both = await _log(operation, writes) if operation.kind is OperationKind.MERGE else set[Any]()
            made = [write for write, is_made in zip(writes, await store.write_all(writes), strict=True) if is_made]
            counts = {"changed": len(made), "conflicts": sum(write.successor.id in both for write in made)}
            await _count(operation, **({"restored": len(made)} if operation.is_undo else counts))
        if len(made) < len(writes):
            await asyncio.sleep(PAUSE_SECONDS)  # until the competing writes are replicated to a majority


def _renamed_marks(marks: Mapping[str, Mark], operation: SubjectOperation, known: SubjectCatalog) -> dict[str, Mark]:
    """Return marks under today's names. After a renaming, a mark under the earlier name was written last."""
    found = known.respelled(marks)
    if operation.kind is OperationKind.RENAME:
        found |= {known.name_of(subject): mark for subject, mark in marks.items() if subject not in known.names}
    return found


def _store(operation: SubjectOperation) -> StudentBulkStore:
    if operation.is_undo:
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
            done = sum(await store.write_all(writes, within_maxima=True)) + sum(map(store.has_made, students.values()))
            restored, kept = restored + done, kept + len(students) - done
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$set": {"restored": restored, "kept": kept}})


def _is_unchanged(operation: SubjectOperation, entry: MergedStudent, student: StudentSnapshot | None) -> bool:
    return student is not None and student.version == entry.after and student.source == operation.source
