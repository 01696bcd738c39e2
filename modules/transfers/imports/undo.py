"""Undo of an import: each student that has not changed since the import gets its previous version back."""

from collections.abc import Sequence

from bson import ObjectId

from core.clock import utc_now
from core.database import check_disk_space, operation_timeout
from modules.students import StudentBulkStore
from modules.transfers.files import file_store
from modules.transfers.imports.row_writer import made_by
from modules.transfers.models import ChangeLogEntry, Import, State

BATCH = 500
MAX_NAMED = 100


async def roll_back(job: Import) -> None:
    """Undo what was written of an import that must write all rows or none."""
    await _undo(job)
    await job.update_fields(created=0, updated=0, restored=0)


async def finish_undo(job: Import) -> None:
    """Undo a finished or interrupted import, or resume its undo."""
    await _undo(job)
    now = utc_now()
    await job.update_fields(state=State.UNDONE, finished_at=now, alive_at=now)
    await file_store.delete(job)  # the file of an interrupted import is still stored


async def _undo(job: Import) -> None:
    restored = kept_count = row = 0
    await job.update_fields(kept=[])
    while (
        entries := await ChangeLogEntry.find({"import_id": job.id, "row": {"$gt": row}})
        .sort("+row")
        .limit(BATCH)
        .to_list()
    ):
        check_disk_space()
        with operation_timeout():
            reverted_count, left = await _undo_entries(job, entries)
        restored += reverted_count
        kept_count += len(left)
        row = entries[-1].row
        await job.update_fields(restored=restored, kept_count=kept_count, alive_at=utc_now())
        # Appended, not replaced: an erasure may have removed a roll number from `kept` in the meantime.
        await job.append(kept=list(filter(None, left)), limit=MAX_NAMED)


async def _undo_entries(job: Import, entries: Sequence[ChangeLogEntry]) -> tuple[int, list[str]]:
    """Return the number of restored students, and the roll numbers of those left unchanged ("" for an erased one)."""
    students = StudentBulkStore(job.undone_by or job.by, f"undo of {job.source}")
    current = await students.find_by_id([entry.student for entry in entries])
    made = await made_by(job, entries, current)
    before = await students.versions_of([(entry.student, entry.before) for entry in entries if entry.before])
    writes = [
        students.reverted(current[entry.student], before.get(entry.student))
        for entry in entries
        if entry.student in made and current[entry.student].version == entry.after
    ]
    made_now = zip(writes, await students.write_all(writes, within_maxima=True), strict=True)
    restored = {ObjectId(write.successor.id) for write, is_made in made_now if is_made}
    restored |= {key for key, student in current.items() if students.has_made(student)}
    gone = await students.erased([entry.student for entry in entries if entry.student not in current])
    gone |= {entry.student for entry in entries if entry.erased}
    left = [entry.student for entry in entries if entry.student in (made.keys() | gone) - restored]
    return len(restored), [current[student].roll_no if student in current else "" for student in left]
