"""How the rows of an import are written: a batch is made ready, which only notes what it is about to change, and then
written. One batch can be made ready while the one before is written: no student is in two of them.

The notes make what was done known to whoever takes the work up again, and to whoever undoes it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from modules.students import Outcome, Write, find_by_id, versions_of, write_all
from modules.transfers.judge import Kind, Verdict, judge_all
from modules.transfers.models import Import, Touched
from modules.transfers.table import Fault, Row

MAX_TRIES = 10
PAUSE_SECONDS = 0.02

BUSY = Fault("roll_no", "", "busy", "This student is being changed by too many at once.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file: the verdicts on those with nothing left to be written, and the writes of the others, which
    are noted."""

    rows: Sequence[Row]
    settled: Sequence[Verdict]
    writes: Sequence[tuple[Verdict, Write]]


async def prepare(rows: Sequence[Row], work: Import) -> Batch:
    """Judge some rows, and note what is to be written of them."""
    written, left = await _already_written(rows, work)
    verdicts = await judge_all(left, work)
    writes = [(one, one.write(work)) for one in verdicts if one.kind in (Kind.CREATED, Kind.UPDATED)]
    await _note_intent(work, writes)
    return Batch(rows, [*written, *(one for one in verdicts if one.kind in (Kind.UNCHANGED, Kind.FAILED))], writes)


async def write(batch: Batch, work: Import, tries: int = MAX_TRIES) -> list[Verdict]:
    """Write what was prepared. Rows whose student is changed at the same moment are judged again."""
    outcomes = await write_all([write for _, write in batch.writes])
    made = [outcome is Outcome.MADE for outcome in outcomes]
    done = [*batch.settled, *(verdict for (verdict, _), is_made in zip(batch.writes, made, strict=True) if is_made)]
    left = [verdict.row for (verdict, _), is_made in zip(batch.writes, made, strict=True) if not is_made]
    if not left:
        return done
    await _forget_intent(work, left)
    if tries == 1:
        return [*done, *(Verdict(row, Kind.FAILED, faults=[BUSY]) for row in left)]
    await asyncio.sleep(PAUSE_SECONDS)  # until a majority has what was faster
    return [*done, *await write(await prepare(left, work), work, tries - 1)]


async def _already_written(rows: Sequence[Row], work: Import) -> tuple[list[Verdict], list[Row]]:
    """Of rows that somebody may have begun to write before dying: those that were written, and the others, whose notes
    are forgotten."""
    if not work.resumed:
        return [], list(rows)
    by_number = {row.number: row for row in rows}
    noted = await Touched.find({"import_id": work.id, "row": {"$in": list(by_number)}}).to_list()
    made = await _made_by(work, noted)
    kinds = {note.row: Kind.CREATED if note.created else Kind.UPDATED for note in noted if note.student in made}
    left = [row for row in rows if row.number not in kinds]
    await _forget_intent(work, left)
    return [Verdict(by_number[number], kind) for number, kind in kinds.items()], left


async def _made_by(work: Import, noted: Sequence[Touched]) -> set[ObjectId]:
    """The students whose noted version is there, as the current one or as one that was replaced."""
    current = await find_by_id([note.student for note in noted])
    replaced = await versions_of([(note.student, note.after) for note in noted])
    records = {(student, record.version): record for found in (current, replaced) for student, record in found.items()}
    return {
        ObjectId(note.student)
        for note in noted
        if (record := records.get((note.student, note.after))) and record.source == work.source
    }


async def _note_intent(work: Import, writes: Sequence[tuple[Verdict, Write]]) -> None:
    notes = [
        {
            "import_id": work.id,
            "row": verdict.row.number,
            "student": write.successor.id,
            "before": verdict.current.version if verdict.current else None,
            "created": verdict.kind is Kind.CREATED,
            "expires_at": work.expires_at,
        }
        for verdict, write in writes
    ]
    if notes:
        await Touched.get_motor_collection().insert_many(notes)


async def _forget_intent(work: Import, rows: Sequence[Row]) -> None:
    await Touched.find({"import_id": work.id, "row": {"$in": [row.number for row in rows]}}).delete()
