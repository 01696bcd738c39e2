"""Writing of an import's rows in two steps: a batch is prepared, which adds its changes to the change log, and then
written. One batch can be prepared while the previous one is written.

The change log tells a resumed import, and an undo, which students the import has written.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from core.clock import utc_now
from core.database import insert_ignoring_duplicates
from modules.students import StudentSnapshot, Write
from modules.transfers.files.csv_reader import Row, RowError
from modules.transfers.imports.row_validation import RowOutcome, RowResult, validate_all
from modules.transfers.models import ChangeLogEntry, Import
from modules.transfers.prefetch import in_thread

MAX_TRIES = 10
PAUSE_SECONDS = 0.02

BUSY = RowError("roll_no", "", "busy", "Too many concurrent requests are changing this student.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file that are ready to be written: the results of the rows that need no write (`settled`), and the
    other rows' writes, which are in the change log."""

    rows: Sequence[Row]
    settled: Sequence[RowResult]
    writes: Sequence[tuple[RowResult, Write]]


async def prepare(rows: Sequence[Row], work: Import) -> Batch:
    """Validate rows and log their changes. Rows that an earlier run wrote, but did not report before it crashed, are
    skipped."""
    written, left = await _already_written(rows, work) if work.resumed else ([], rows)
    batch = await _validate_and_log(left, work)
    return Batch(rows, [*written, *batch.settled], batch.writes)


async def write(batch: Batch, work: Import) -> list[RowResult]:
    """Write a prepared batch. Rows whose student is changed concurrently are validated again, up to `MAX_TRIES`
    times."""
    done = list(batch.settled)
    for _ in range(MAX_TRIES):
        # Fails if another process has claimed the import, and otherwise keeps others from claiming it.
        await work.update_fields(alive_at=utc_now())
        made = await work.students.write_all([one for _, one in batch.writes])
        tried = [(result, is_made) for (result, _), is_made in zip(batch.writes, made, strict=True)]
        done += [result for result, is_made in tried if is_made]
        left = [result.row for result, is_made in tried if not is_made]
        if not left:
            return done
        await _delete_entries(work, left)
        await asyncio.sleep(PAUSE_SECONDS)  # until the competing write is replicated to a majority
        batch = await _validate_and_log(left, work)
        done += batch.settled
    busy = [result.row for result, _ in batch.writes]
    await _delete_entries(work, busy)
    return [*done, *(RowResult(row, RowOutcome.FAILED, errors=[BUSY]) for row in busy)]


async def _validate_and_log(rows: Sequence[Row], work: Import) -> Batch:
    results = await validate_all(rows, work)
    to_do = [one for one in results if one.outcome in (RowOutcome.CREATED, RowOutcome.UPDATED) and not one.is_written]
    writes = await in_thread(lambda: [(one, one.write(work)) for one in to_do])
    settled = [one for one in results if one.outcome in (RowOutcome.UNCHANGED, RowOutcome.FAILED) or one.is_written]
    written = [_log_entry(one, one.current, work) for one in settled if one.is_written and one.current]
    refused = await _log([*written, *(_log_entry(one, write.successor, work) for one, write in writes)])
    settled += [
        RowResult(one.row, RowOutcome.FAILED, errors=[_renamed(one.row)]) for one in to_do if one.row.number in refused
    ]
    return Batch(rows, settled, [(one, write) for one, write in writes if one.row.number not in refused])


def _renamed(row: Row) -> RowError:
    detail = "The roll number changed during the import; another row, with the other roll number, is the same student."
    return RowError("roll_no", row.content["roll_no"], "renamed", detail)


async def _already_written(rows: Sequence[Row], work: Import) -> tuple[list[RowResult], Sequence[Row]]:
    """Return the results of the rows that an earlier run has written, and the other rows, whose change log entries are
    deleted."""
    by_number = {row.number: row for row in rows}
    logged = await ChangeLogEntry.find({"import_id": work.id, "row": {"$in": list(by_number)}}).to_list()
    made = await made_by(work, logged, await work.students.find_by_id([entry.student for entry in logged]))
    outcomes = {
        entry.row: RowOutcome.CREATED if entry.created else RowOutcome.UPDATED
        for entry in logged
        if entry.student in made
    }
    left = [row for row in rows if row.number not in outcomes]
    await _delete_entries(work, left)
    return [RowResult(by_number[number], outcome) for number, outcome in outcomes.items()], left


async def made_by(
    work: Import, entries: Sequence[ChangeLogEntry], current: Mapping[ObjectId, StudentSnapshot]
) -> set[ObjectId]:
    """Return the ids of the `current` students whose logged version was made by this import, whether it is still the
    current version or has been replaced."""
    logged = {entry.student: (entry.after, current[entry.student]) for entry in entries if entry.student in current}
    older = [(key, after) for key, (after, student) in logged.items() if student.version > after]
    replaced = await work.students.versions_of(older)
    as_logged = {key: student for key, (after, student) in logged.items() if student.version == after} | replaced
    return {key for key, version in as_logged.items() if work.students.has_made(version)}


def _log_entry(result: RowResult, made: StudentSnapshot, work: Import) -> dict[str, Any]:
    return {
        "import_id": work.id,
        "row": result.row.number,
        "student": made.id,
        "before": made.version - 1 or None,
        "created": result.outcome is RowOutcome.CREATED,
        "expires_at": work.expires_at,
    }


async def _log(entries: Sequence[dict[str, Any]]) -> set[int]:
    """Insert change log entries before the write. Return the rows whose student is logged for another row."""
    refused = [entries[index] for index in await insert_ignoring_duplicates(ChangeLogEntry, entries)] if entries else []
    if not refused:
        return set()
    wanted = {"import_id": refused[0]["import_id"], "student": {"$in": [entry["student"] for entry in refused]}}
    logged = {entry.student: entry.row for entry in await ChangeLogEntry.find(wanted).to_list()}
    return {entry["row"] for entry in refused if logged.get(entry["student"]) != entry["row"]}


async def _delete_entries(work: Import, rows: Sequence[Row]) -> None:
    # Fails if another process has claimed the import: the entries then belong to that process.
    await work.update_fields(alive_at=utc_now())
    await ChangeLogEntry.find({"import_id": work.id, "row": {"$in": [row.number for row in rows]}}).delete()
