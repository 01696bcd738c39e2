"""How the rows of an import are written: a batch is made ready, which only notes what it is about to change, and then
written. One batch can be made ready while the one before is written.

The notes make what was done known to whoever takes the work up again, and to whoever undoes it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from core.clock import utc_now
from core.database import insert_ignoring_duplicates
from modules.students import Outcome, StudentSnapshot, Write, find_by_id, versions_of, write_all
from modules.transfers.files.csv_reader import Row, RowError
from modules.transfers.imports.row_validation import Kind, RowResult, validate_all
from modules.transfers.models import ChangeLogEntry, Import
from modules.transfers.prefetch import in_thread

MAX_TRIES = 10
PAUSE_SECONDS = 0.02

BUSY = RowError("roll_no", "", "busy", "This student is being changed by too many at once.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file: the verdicts on those with nothing left to be written, and the writes of the others, which
    are noted."""

    rows: Sequence[Row]
    settled: Sequence[RowResult]
    writes: Sequence[tuple[RowResult, Write]]


async def prepare(rows: Sequence[Row], work: Import) -> Batch:
    """Judge some rows, and note what is to be written of them; all but those that were written already, by somebody who
    died before saying so."""
    written, left = await _already_written(rows, work) if work.resumed else ([], rows)
    batch = await _judge_and_note(left, work)
    return Batch(rows, [*written, *batch.settled], batch.writes)


async def write(batch: Batch, work: Import) -> list[RowResult]:
    """Write what was prepared. Rows whose student is changed at the same moment are judged again."""
    done = list(batch.settled)
    for _ in range(MAX_TRIES):
        await work.note(alive_at=utc_now())  # nobody else is at work on it, nor will be for a while
        outcomes = await write_all([one for _, one in batch.writes])
        tried = [(verdict, outcome) for (verdict, _), outcome in zip(batch.writes, outcomes, strict=True)]
        done += [verdict for verdict, outcome in tried if outcome is Outcome.MADE]
        left = [verdict.row for verdict, outcome in tried if outcome is not Outcome.MADE]
        if not left:
            return done
        await _forget(work, left)
        await asyncio.sleep(PAUSE_SECONDS)  # until a majority has what was faster
        batch = await _judge_and_note(left, work)
        done += batch.settled
    busy = [verdict.row for verdict, _ in batch.writes]
    await _forget(work, busy)
    return [*done, *(RowResult(row, Kind.FAILED, faults=[BUSY]) for row in busy)]


async def _judge_and_note(rows: Sequence[Row], work: Import) -> Batch:
    verdicts = await validate_all(rows, work)
    to_do = [one for one in verdicts if one.kind in (Kind.CREATED, Kind.UPDATED) and not one.is_written]
    writes = await in_thread(lambda: [(one, one.write(work)) for one in to_do])
    settled = [one for one in verdicts if one.kind in (Kind.UNCHANGED, Kind.FAILED) or one.is_written]
    written = [_note_of(one, one.current, work) for one in settled if one.is_written and one.current]
    refused = await _note([*written, *(_note_of(one, write.successor, work) for one, write in writes)])
    settled += [RowResult(one.row, Kind.FAILED, faults=[_twice(one.row)]) for one in to_do if one.row.number in refused]
    return Batch(rows, settled, [(one, write) for one, write in writes if one.row.number not in refused])


def _twice(row: Row) -> RowError:
    detail = "This student was renamed meanwhile: another row, with the other roll number, is about the same one."
    return RowError("roll_no", row.content["roll_no"], "renamed", detail)


async def _already_written(rows: Sequence[Row], work: Import) -> tuple[list[RowResult], Sequence[Row]]:
    """Of rows that somebody may have begun to write: those that were written, and the others, whose notes are
    forgotten."""
    by_number = {row.number: row for row in rows}
    noted = await ChangeLogEntry.find({"import_id": work.id, "row": {"$in": list(by_number)}}).to_list()
    made = await made_by(work, noted, await find_by_id([note.student for note in noted]))
    kinds = {note.row: Kind.CREATED if note.created else Kind.UPDATED for note in noted if note.student in made}
    left = [row for row in rows if row.number not in kinds]
    await _forget(work, left)
    return [RowResult(by_number[number], kind) for number, kind in kinds.items()], left


async def made_by(
    work: Import, notes: Sequence[ChangeLogEntry], current: Mapping[ObjectId, StudentSnapshot]
) -> set[ObjectId]:
    """Those of the `current` students whose noted version was made by this import: it is there still, or was replaced
    since."""
    there = {note.student: (note.after, current[note.student]) for note in notes if note.student in current}
    replaced = await versions_of([(key, after) for key, (after, student) in there.items() if student.version > after])
    as_noted = {key: student for key, (after, student) in there.items() if student.version == after} | replaced
    return {key for key, version in as_noted.items() if version.source == work.source}


def _note_of(verdict: RowResult, made: StudentSnapshot, work: Import) -> dict[str, Any]:
    return {
        "import_id": work.id,
        "row": verdict.row.number,
        "student": made.id,
        "before": made.version - 1 or None,
        "created": verdict.kind is Kind.CREATED,
        "expires_at": work.expires_at,
    }


async def _note(notes: Sequence[dict[str, Any]]) -> set[int]:
    """Note what is about to be written. Answers the rows whose student is noted for another row of the import."""
    refused = [notes[place] for place in await insert_ignoring_duplicates(ChangeLogEntry, notes)] if notes else []
    if not refused:
        return set()
    wanted = {"import_id": refused[0]["import_id"], "student": {"$in": [note["student"] for note in refused]}}
    there = {note.student: note.row for note in await ChangeLogEntry.find(wanted).to_list()}
    return {note["row"] for note in refused if there.get(note["student"]) != note["row"]}


async def _forget(work: Import, rows: Sequence[Row]) -> None:
    await work.note(alive_at=utc_now())  # for the notes of who else is at work on it are not ours
    await ChangeLogEntry.find({"import_id": work.id, "row": {"$in": [row.number for row in rows]}}).delete()
