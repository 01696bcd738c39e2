"""The job of an import, which another process may resume at any point.

An import that writes nothing if a row is invalid makes two passes over the file: the first one only validates. Each
change is logged before it is written, so that it can be undone. Each written version names its import, so that a
resumed import knows which rows are already written.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from core.clock import utc_now
from core.database import check_disk_space, operation_timeout
from core.errors import Forbidden, Unauthenticated
from modules.students import SubjectCatalog
from modules.transfers.files import file_store, spreadsheet
from modules.transfers.files.spreadsheet import Workbook
from modules.transfers.files.table import InvalidFile, Row
from modules.transfers.imports import failed_rows, new_subjects, plan, undo
from modules.transfers.imports.analysis import analyse, check_ndjson
from modules.transfers.imports.findings import add
from modules.transfers.imports.row_reader import CsvTable, batches
from modules.transfers.imports.row_validation import RowOutcome, RowResult, validate_all
from modules.transfers.imports.row_writer import Batch, prepare, write
from modules.transfers.metrics import ROWS
from modules.transfers.models import Import, State, Verify
from modules.transfers.prefetch import in_thread, prefetch

# How many columns an import tells about.
MAX_COLUMNS_TOLD = 500
NOT_PERMITTED = "The user who sent the file lost the permission to import before the first row was written."


async def _permitted() -> None:
    """Permit everything: the user of a terminal needs no account."""


async def run(job: Import, *, verify: Verify = _permitted) -> None:
    """Import the file, or resume the import at its stored position. The import's state is the result.

    `verify` is called before the first row is written, which may be long after the file has arrived. If it raises
    `Unauthenticated` or `Forbidden`, the import fails and nothing is written.
    """
    try:
        async with file_store.on_disk(job) as path, spreadsheet.as_text(path, job.options.sheet) as (text, workbook):
            state = await _carry_out(job, text, workbook, verify)
            detail = None
    except (InvalidFile, file_store.FileDeleted) as error:
        state, detail = State.FAILED, error.detail
    except (Unauthenticated, Forbidden):
        state, detail = State.FAILED, NOT_PERMITTED
    if state is not State.DONE and job.writing:
        await undo.roll_back(job)
    elif state is State.FAILED or (state is State.REJECTED and not job.options.dry_run):
        await job.update_fields(created=0, updated=0)  # a dry run reports what valid rows would do
    if state is State.FAILED:
        await plan.begin(job, 0)  # nothing of a file that cannot be read will ever happen
    now = utc_now()
    await job.update_fields(
        state=state, detail=detail, finished_at=now, alive_at=now, subjects_before=None, **_counted(job)
    )
    await file_store.delete(job)


async def _carry_out(job: Import, path: Path, workbook: Workbook | None, verify: Verify) -> State:
    await new_subjects.remember_stored(job)
    await SubjectCatalog.read()  # for the threads that read the file
    table = None
    if job.format != "ndjson" or workbook:
        table = await _look_at(job, path, workbook)
    elif not job.writing:
        check_ndjson(job.options)
    if any(finding.stops for finding in job.findings):
        return State.REJECTED
    if not job.writing:
        if job.options.dry_run or not job.options.skip_errors:
            await plan.begin(job, 0)
            await job.update_fields(**_COUNTED_AGAIN)
            await _validate_all(job, path, table)
            if job.failed and not job.options.skip_errors:
                return State.REJECTED
            if job.options.dry_run:
                return State.DONE
        await verify()
        notes = [finding for finding in job.findings if not finding.count]
        await job.update_fields(writing=True, findings=notes, **_COUNTED_AGAIN)
    await plan.begin(job, job.position)
    return State.DONE if await _write_all(job, path, table) else State.REJECTED


async def _look_at(job: Import, path: Path, workbook: Workbook | None) -> CsvTable:
    """Find out how the file is to be read. Its content decides about its format, except that NDJSON and CSV are both
    text. A resumed import keeps its findings."""
    analysis = await in_thread(analyse, path, job.options, job.subjects_before or (), is_workbook=bool(workbook))
    layout, columns = analysis.table.layout, analysis.table.columns.assigned
    if workbook:
        workbook.refuse_merged(layout.header_line, analysis.table.ignored_rows)
        await job.update_fields(sheet=workbook.sheet, text_size=(await in_thread(path.stat)).st_size)
    await job.update_fields(
        format=workbook.format if workbook else "csv",
        header=layout.header,
        header_line=layout.header_line,
        separator=layout.separator,
        encoding=layout.encoding,
        columns=columns[:MAX_COLUMNS_TOLD],
        findings=job.findings if job.writing else analysis.findings,
    )
    return analysis.table


async def _validate_all(job: Import, path: Path, table: CsvTable | None) -> None:
    counts: Counter[RowOutcome] = Counter()
    job.errors_stored, job.errors_bytes = 0, 0
    async with aclosing(batches(path, table)) as read:
        async for rows in read:
            check_disk_space()
            with operation_timeout():
                results = await validate_all(rows, job)
                await failed_rows.store(job, results)
                await plan.store(job, results)
                counts.update(result.outcome for result in results)
                await _progress(job, rows, results, counts)
                _count([one for one in results if one.outcome is RowOutcome.FAILED])  # nothing else is written yet
    await job.update_fields(rows=counts.total())


async def _write_all(job: Import, path: Path, table: CsvTable | None) -> bool:
    """Write all rows after `position`. Return False if a row failed and the import must be rolled back."""
    counts = Counter({outcome: getattr(job, outcome) for outcome in RowOutcome} if job.position else {})
    async with aclosing(prefetch(_prepared(job, path, table))) as prepared:
        async for batch in prepared:
            with operation_timeout():
                results = await write(batch, job)
                await failed_rows.store(job, results)
                await plan.store(job, results)
                counts.update(result.outcome for result in results)
                await _progress(job, batch.rows, results, counts)
                _count(results)
            if counts[RowOutcome.FAILED] and not job.options.skip_errors:
                return False  # students were changed between the two passes
    await job.update_fields(rows=job.position)
    return job.options.skip_errors or not counts[RowOutcome.FAILED]


async def _prepared(job: Import, path: Path, table: CsvTable | None) -> AsyncGenerator[Batch]:
    """Yield the rows after `position` in batches that are ready to be written."""
    position = job.position
    async with aclosing(batches(path, table)) as read:
        async for rows in read:
            if left := [row for row in rows if row.number > position]:
                check_disk_space()
                with operation_timeout():
                    batch = await prepare(left, job)
                yield batch


def _count(results: Sequence[RowResult]) -> None:
    for outcome, number in Counter(result.outcome for result in results).items():
        ROWS.labels(outcome).inc(number)


async def _progress(
    job: Import, rows: Sequence[Row], results: Sequence[RowResult], counts: Counter[RowOutcome]
) -> None:
    imported = [one for one in results if one.outcome is not RowOutcome.FAILED]
    await job.update_fields(
        position=rows[-1].number,
        offset=rows[-1].offset,
        alive_at=utc_now(),
        absent=job.absent + sum(one.row.absent for one in imported),
        incomplete=job.incomplete + sum(bool(one.errors) for one in imported),
        cells_skipped=job.cells_skipped + sum(len(one.errors) for one in imported),
        findings=add(job.findings, results, job.columns),
        **{outcome.value: counts[outcome] for outcome in RowOutcome},
        **_counted(job),
    )


# What the first pass over a file counts, and the second one counts again.
_COUNTED_AGAIN: Mapping[str, Any] = {"position": 0, "offset": 0, "absent": 0, "incomplete": 0, "cells_skipped": 0}


def _counted(job: Import) -> dict[str, Any]:
    """Return what storing failed rows and the plan has counted in `job`, to be saved."""
    return {name: getattr(job, name) for name in ("errors_stored", "errors_bytes", "name_changes", "new_subjects")}
