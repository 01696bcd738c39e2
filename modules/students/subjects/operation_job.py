"""The job that carries out renamings and mergings of subjects, and undoes them."""

import asyncio

from bson import ObjectId

from core.api import change_if
from core.clock import utc_now
from core.database import Filter, Lease, check_disk_space, collection, operation_timeout, read_majority
from core.errors import Conflict, NotFound
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.bulk import StudentBulkStore
from modules.students.records.merge_log import log_merged
from modules.students.records.store import PAUSE_SECONDS
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import Move, SubjectCatalog
from modules.students.subject_catalog.models import (
    ConflictRule,
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

_LEASE = "subject operations"


async def carry_out_subject_operations() -> None:
    """Carry out the operations that have begun, one after the other, unless another process does so."""
    if not await SubjectOperation.find({"active": {"$gt": ""}}).exists():
        return
    await Lease.run_exclusively(_LEASE, _carry_out_all)


async def _carry_out_all() -> None:
    for operation in await SubjectOperation.find({"active": {"$gt": ""}}).sort("_id").to_list():
        await _carry_out(operation)


async def rename_late_marks() -> None:
    """Look again at the operations that ended a short time ago, for marks under the earlier name whose writes took
    very long, such as through an election of MongoDB."""
    if await SubjectOperation.find(_ended_lately()).exists():
        await Lease.run_exclusively(_LEASE, _rename_late_marks)


def _ended_lately() -> Filter:
    return {"finished_at": {"$gt": utc_now() - catalog.LATE_WRITES_FOR}}


async def _rename_late_marks() -> None:
    for operation in await SubjectOperation.find(_ended_lately()).sort("_id").to_list():
        subject = operation.target if operation.is_undo else operation.subject
        move = (await SubjectCatalog.read()).moving.get(subject)
        if move and move.operation == operation.id:  # and not a later one
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
            if operation.kind is OperationKind.MERGE:
                await _count_merged(operation)
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
        await asyncio.sleep(catalog.MAX_AGE_SECONDS)  # until no process moves marks any more
        await _give_back(operation)
        raise


async def _give_back(operation: SubjectOperation) -> None:
    """Give the students whom users changed while a merge began, which is taken back, their two marks back."""
    store = StudentBulkStore(operation.by, f"undo of {operation.source}")
    subject, target, rule = operation.subject, operation.target, operation.on_conflict or ConflictRule.INTO
    entries = await MergedStudent.find({"operation": operation.id}).to_list()
    students = await store.find_by_id([entry.student for entry in entries])
    before = await store.versions_of([(ObjectId(entry.student), entry.after - 1) for entry in entries])
    writes = []
    for entry in entries:
        student, earlier = students.get(entry.student), before.get(entry.student)
        if student and earlier and student.version == entry.after:
            was, now = earlier.marks, dict(student.marks)
            moved = rule.kept(was[target], was[subject]) if target in was else was[subject]
            if now.get(target) == moved:  # otherwise, the user has changed this mark, too
                del now[target]
            both = {name: was[name] for name in (subject, target) if name in was}
            writes.append(store.changed(student, {"marks": both | now}))
    await store.write_all(writes)


async def _count(operation: SubjectOperation, **counted: int) -> None:
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$inc": counted})


async def _rename_marks(operation: SubjectOperation, subject: str) -> None:
    """Change all students with a mark under the name that goes, until there is none."""
    store, move = _store(operation), Move.of(operation)
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
            writes = [store.changed(one, {"marks": known.respelled(one.marks)}) for one in students]
            # Not by `write_all` alone: somebody may begin to undo the merge before it.
            await log_merged([(one.current, one.successor) for one in writes if one.current], [move])
            made = sum(await store.write_all(writes))
            await _count(operation, **{"restored" if operation.is_undo else "changed": made})
        if made < len(writes):
            await asyncio.sleep(PAUSE_SECONDS)  # until the competing writes are replicated to a majority


def _store(operation: SubjectOperation) -> StudentBulkStore:
    if operation.is_undo:
        return StudentBulkStore(operation.undone_by or operation.by, f"undo of {operation.source}")
    return StudentBulkStore(operation.by, operation.source)


async def _count_merged(operation: SubjectOperation) -> None:
    """Count the students of a merge, also those whom others have changed meanwhile, by its log."""
    log = collection(MergedStudent)
    changed = await log.count_documents({"operation": operation.id})
    conflicts = await log.count_documents({"operation": operation.id, "kept": {"$gte": 0}})
    found = {"changed": changed, "conflicts": conflicts}
    await collection(SubjectOperation).update_one({"_id": operation.id}, {"$set": found})


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
