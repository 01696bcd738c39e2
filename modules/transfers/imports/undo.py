"""Taking back what an import has done, student by student, where nobody has changed the student since."""

from collections.abc import Sequence

from bson import ObjectId

from core.clock import utc_now
from core.database import check_room, operation_timeout
from modules.students import Outcome, erased, find_by_id, reverted, versions_of, write_all
from modules.transfers.files import file_store
from modules.transfers.imports.row_writer import made_by
from modules.transfers.models import ChangeLogEntry, Import, State

BATCH = 500
MAX_NAMED = 100


async def roll_back(work: Import) -> None:
    """Take back what was written of a file that must be imported wholly or not at all."""
    await _take_back(work)
    await work.note(created=0, updated=0, restored=0)


async def finish_undo(work: Import) -> None:
    """Take back what a finished or interrupted import has done, or go on doing so."""
    await _take_back(work)
    now = utc_now()
    await work.note(state=State.UNDONE, finished_at=now, alive_at=now)
    await file_store.forget(work)  # that of an interrupted import was still wanted


async def _take_back(work: Import) -> None:
    restored = kept_count = row = 0
    await work.note(kept=[])
    while (
        notes := await ChangeLogEntry.find({"import_id": work.id, "row": {"$gt": row}})
        .sort("+row")
        .limit(BATCH)
        .to_list()
    ):
        check_room()
        with operation_timeout():
            put_back, left = await _take_back_some(work, notes)
        restored += put_back
        kept_count += len(left)
        row = notes[-1].row
        await work.note(restored=restored, kept_count=kept_count, alive_at=utc_now())
        # Appended, as a student whose number is there already may have been erased since, which takes it out again.
        await work.append(kept=list(filter(None, left)), most=MAX_NAMED)


async def _take_back_some(work: Import, notes: Sequence[ChangeLogEntry]) -> tuple[int, list[str]]:
    """How many students were put back, and those who are left as they are: their roll numbers, where they have one
    still."""
    current = await find_by_id([note.student for note in notes])
    made = await made_by(work, notes, current)
    before = await versions_of([(note.student, note.before) for note in notes if note.before])
    writes = [
        reverted(current[note.student], before.get(note.student), by=work.undone_by or work.by, source=_source(work))
        for note in notes
        if note.student in made and current[note.student].version == note.after
    ]
    outcomes = zip(writes, await write_all(writes), strict=True)
    restored = {ObjectId(write.successor.id) for write, outcome in outcomes if outcome is Outcome.MADE}
    restored |= {key for key, student in current.items() if student.source == _source(work)}
    gone = await erased([note.student for note in notes if note.student not in current])
    left = [note.student for note in notes if note.student in (made | gone) - restored]
    return len(restored), [current[student].roll_no if student in current else "" for student in left]


def _source(work: Import) -> str:
    return f"undo of {work.source}"
