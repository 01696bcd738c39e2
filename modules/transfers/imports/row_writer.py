"""Writing of an import's rows in two steps: a batch is prepared, which adds its changes to the change log, and then
written. One batch can be prepared while the previous one is written.

The change log tells a resumed import, and an undo, which students the import has written.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId

from core.api import TOO_MANY_CHANGES
from core.clock import utc_now
from core.database import insert_ignoring_duplicates
from modules.students import StudentSnapshot, StudentVersionData, Write, differences
from modules.transfers.files.table import Row, RowError
from modules.transfers.imports.row_validation import RowOutcome, RowResult, validate_all
from modules.transfers.models import ChangeLogEntry, Import
from modules.transfers.prefetch import in_thread

MAX_TRIES = 10
PAUSE_SECONDS = 0.02

BUSY = RowError("roll_no", "", "busy", TOO_MANY_CHANGES)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a file that are ready to be written: the results of the rows that need no write (`results`), and the
    other rows' writes, which are in the change log."""

    rows: Sequence[Row]
    results: Sequence[RowResult]
    writes: Sequence[tuple[RowResult, Write]]


async def prepare(rows: Sequence[Row], job: Import) -> Batch:
    """Validate rows and log their changes. Rows that an earlier run wrote, but did not report before it crashed, are
    skipped."""
    written, left = await _already_written(rows, job) if job.resumed else ([], rows)
    batch = await _validate_and_log(left, job)
    return Batch(rows, [*written, *batch.results], batch.writes)


async def write(batch: Batch, job: Import) -> list[RowResult]:
    """Write a prepared batch. Rows whose student is changed concurrently are validated again, up to `MAX_TRIES`
    times."""
    done = list(batch.results)
    for _ in range(MAX_TRIES):
        # Fails if another process has claimed the import, and otherwise keeps others from claiming it.
        await job.update_fields(alive_at=utc_now())
        made = await job.students.write_all([one for _, one in batch.writes], within_maxima=True)
        tried = [(result, is_made) for (result, _), is_made in zip(batch.writes, made, strict=True)]
        done += [result for result, is_made in tried if is_made]
        left = [result.row for result, is_made in tried if not is_made]
        if not left:
            return done
        await _delete_entries(job, left)
        await asyncio.sleep(PAUSE_SECONDS)  # until the competing write is replicated to a majority
        batch = await _validate_and_log(left, job)
        done += batch.results
    busy = [result.row for result, _ in batch.writes]
    await _delete_entries(job, busy)
    return [*done, *(RowResult(row, RowOutcome.FAILED, errors=[BUSY]) for row in busy)]


async def _validate_and_log(rows: Sequence[Row], job: Import) -> Batch:
    validated = await validate_all(rows, job)
    pending = [
        one for one in validated if one.outcome in (RowOutcome.CREATED, RowOutcome.UPDATED) and not one.is_written
    ]
    writes = await in_thread(lambda: [(one, one.write(job)) for one in pending])
    results = [one for one in validated if one.outcome in (RowOutcome.UNCHANGED, RowOutcome.FAILED) or one.is_written]
    late = [(one, one.current) for one in results if one.is_written and one.current]
    await _add_changes(job, {version.id: (one, version) for one, version in late if version.id})
    written = [_log_entry(one, version, job) for one, version in late]
    refused = await _log([*written, *(_log_entry(one, write.successor, job) for one, write in writes)])
    results += [
        RowResult(one.row, RowOutcome.FAILED, errors=[_renamed(one.row)])
        for one in pending
        if one.row.number in refused
    ]
    return Batch(rows, results, [(one, write) for one, write in writes if one.row.number not in refused])


def _renamed(row: Row) -> RowError:
    detail = "This student's roll number changed during the import, and another row has the other roll number."
    return RowError("roll_no", row.content["roll_no"], "renamed", detail)


async def _already_written(rows: Sequence[Row], job: Import) -> tuple[list[RowResult], Sequence[Row]]:
    """Return the results of the rows that an earlier run has written, and the other rows, whose change log entries are
    deleted."""
    by_number = {row.number: row for row in rows}
    logged = await ChangeLogEntry.find({"import_id": job.id, "row": {"$in": list(by_number)}}).to_list()
    made = await made_by(job, logged, await job.students.find_by_id([entry.student for entry in logged]))
    results = {
        entry.student: RowResult(by_number[entry.row], RowOutcome.CREATED if entry.created else RowOutcome.UPDATED)
        for entry in logged
        if entry.student in made
    }
    await _add_changes(job, {student: (one, made[student]) for student, one in results.items()})
    numbers = {one.row.number for one in results.values()}
    left = [row for row in rows if row.number not in numbers]
    await _delete_entries(job, left)
    return list(results.values()), left


async def _add_changes(job: Import, written: Mapping[ObjectId, tuple[RowResult, StudentVersionData]]) -> None:
    """Add the changed fields to results of rows that an earlier run wrote. Each comes with the version that it made."""
    updated = {student: one for student, one in written.items() if one[0].outcome is RowOutcome.UPDATED}
    before = await job.students.versions_of([(student, made.version - 1) for student, (_, made) in updated.items()])
    for student, version in before.items():
        result, made = updated[student]
        result.changes = list(differences(_content(version), _content(made)))


def _content(version: StudentVersionData) -> dict[str, Any]:
    return {"name": version.name, "branch": version.branch, "marks": version.marks}


async def made_by(
    job: Import, entries: Sequence[ChangeLogEntry], current: Mapping[ObjectId, StudentSnapshot]
) -> dict[ObjectId, StudentVersionData]:
    """Return the logged versions that this import made of the `current` students, whether they are still the current
    ones or have been replaced, by the student's id."""
    logged = {entry.student: (entry.after, current[entry.student]) for entry in entries if entry.student in current}
    older = [(key, after) for key, (after, student) in logged.items() if student.version > after]
    replaced = await job.students.versions_of(older)
    now: dict[ObjectId, StudentVersionData] = {
        key: student for key, (after, student) in logged.items() if student.version == after
    }
    return {key: version for key, version in (now | replaced).items() if job.students.has_made(version)}


def _log_entry(result: RowResult, made: StudentSnapshot, job: Import) -> dict[str, Any]:
    return {
        "import_id": job.id,
        "row": result.row.number,
        "student": made.id,
        "before": made.version - 1 or None,
        "created": result.outcome is RowOutcome.CREATED,
        "expires_at": job.expires_at,
    }


async def _log(entries: Sequence[dict[str, Any]]) -> set[int]:
    """Insert change log entries before the write. Return the rows whose student is logged for another row."""
    refused = [entries[index] for index in await insert_ignoring_duplicates(ChangeLogEntry, entries)] if entries else []
    if not refused:
        return set()
    wanted = {"import_id": refused[0]["import_id"], "student": {"$in": [entry["student"] for entry in refused]}}
    logged = {entry.student: entry.row for entry in await ChangeLogEntry.find(wanted).to_list()}
    return {entry["row"] for entry in refused if logged.get(entry["student"]) != entry["row"]}


async def _delete_entries(job: Import, rows: Sequence[Row]) -> None:
    # Fails if another process has claimed the import: the entries then belong to that process.
    await job.update_fields(alive_at=utc_now())
    await ChangeLogEntry.find({"import_id": job.id, "row": {"$in": [row.number for row in rows]}}).delete()
