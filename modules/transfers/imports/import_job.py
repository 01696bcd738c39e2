"""The job of an import, which another process may resume at any point.

An import that writes nothing if a row is invalid makes two passes over the file: the first one only validates. Each
change is logged before it is written, so that it can be undone. Each written version names its import, so that a
resumed import knows which rows are already written.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from core.clock import utc_now
from core.database import check_room, operation_timeout
from core.errors import Forbidden, Unauthenticated
from modules.transfers.files import file_store
from modules.transfers.files.csv_reader import InvalidFile, Row, header_of
from modules.transfers.imports import failed_rows, undo
from modules.transfers.imports.row_reader import batches
from modules.transfers.imports.row_validation import RowOutcome, RowResult, validate_all
from modules.transfers.imports.row_writer import Batch, prepare, write
from modules.transfers.metrics import ROWS
from modules.transfers.models import Import, State, Verify
from modules.transfers.prefetch import in_thread, prefetch

NOT_PERMITTED = "The user who sent the file lost the permission to import before the first row was written."


async def _permitted() -> None:
    """Permit everything: the user of a terminal needs no account."""


async def carry_out(work: Import, *, verify: Verify = _permitted) -> None:
    """Import the file, or resume the import at its stored position. The import's state is the result.

    `verify` is called before the first row is written, which may be long after the file has arrived. If it raises
    `Unauthenticated` or `Forbidden`, the import fails and nothing is written.
    """
    try:
        async with file_store.on_disk(work) as path:
            state = await _carry_out(work, path, verify)
            detail = None
    except InvalidFile as error:
        state, detail = State.FAILED, error.detail
    except (Unauthenticated, Forbidden):
        state, detail = State.FAILED, NOT_PERMITTED
    if state is not State.DONE and work.writing:
        await undo.roll_back(work)
    elif state is not State.DONE:
        await work.update_fields(created=0, updated=0)
    now = utc_now()
    await work.update_fields(state=state, detail=detail, finished_at=now, alive_at=now)
    await file_store.forget(work)


async def _carry_out(work: Import, path: Path, verify: Verify) -> State:
    if work.format == "csv":
        header, separator = await in_thread(header_of, path)
        await work.update_fields(header=header, separator=separator)
    if not work.writing:
        if work.options.dry_run or not work.options.skip_errors:
            await _validate_all(work, path)
            if work.options.dry_run:
                return State.DONE
            if work.failed:
                return State.REJECTED
        await verify()
        await work.update_fields(writing=True, position=0, offset=0)
    return State.DONE if await _write_all(work, path) else State.REJECTED


async def _validate_all(work: Import, path: Path) -> None:
    counts: Counter[RowOutcome] = Counter()
    work.errors_stored, work.errors_bytes = 0, 0
    async with aclosing(batches(path, work.format)) as read:
        async for rows in read:
            check_room()
            with operation_timeout():
                results = await validate_all(rows, work)
                await failed_rows.store(work, results)
                counts.update(result.outcome for result in results)
                await _progress(work, rows, counts)
                _count([one for one in results if one.outcome is RowOutcome.FAILED])  # nothing else is written yet
    await work.update_fields(rows=counts.total())


async def _write_all(work: Import, path: Path) -> bool:
    """Write all rows after `position`. Return False if a row failed and the import must be rolled back."""
    counts = Counter({outcome: getattr(work, outcome) for outcome in RowOutcome} if work.position else {})
    async with aclosing(prefetch(_prepared(work, path))) as prepared:
        async for batch in prepared:
            with operation_timeout():
                results = await write(batch, work)
                await failed_rows.store(work, results)
                counts.update(result.outcome for result in results)
                await _progress(work, batch.rows, counts)
                _count(results)
            if counts[RowOutcome.FAILED] and not work.options.skip_errors:
                return False  # students were changed between the two passes
    await work.update_fields(rows=work.position)
    return work.options.skip_errors or not counts[RowOutcome.FAILED]


async def _prepared(work: Import, path: Path) -> AsyncGenerator[Batch]:
    """Yield the rows after `position` in batches that are ready to be written."""
    position = work.position
    async with aclosing(batches(path, work.format)) as read:
        async for rows in read:
            if left := [row for row in rows if row.number > position]:
                check_room()
                with operation_timeout():
                    batch = await prepare(left, work)
                yield batch


def _count(results: Sequence[RowResult]) -> None:
    for outcome, number in Counter(result.outcome for result in results).items():
        ROWS.labels(outcome).inc(number)


async def _progress(work: Import, rows: Sequence[Row], counts: Counter[RowOutcome]) -> None:
    numbers = {outcome.value: counts[outcome] for outcome in RowOutcome}
    stored = {"errors_stored": work.errors_stored, "errors_bytes": work.errors_bytes}
    await work.update_fields(position=rows[-1].number, offset=rows[-1].offset, alive_at=utc_now(), **numbers, **stored)
