"""The failed rows of an import. The first ones, up to a limit of number and of size, are stored for the import's report
and for `errors.csv`; further ones are only counted."""

import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.clock import utc_now
from core.database import collection
from modules.students import StudentBulkStore
from modules.transfers.files.table import Row
from modules.transfers.imports.row_validation import MAX_VALUE, RowResult
from modules.transfers.models import FailedRow, Import
from modules.transfers.prefetch import in_thread

REMOVED = "Not stored, because a student was erased during the import."

MAX_STORED = 10_000
MAX_STORED_BYTES = 5_000_000
# Only the errors of a larger row are stored, without its cells.
MAX_ROW_BYTES = 200_000
MAX_LISTED = 100
MAX_ABOUT = 20

# Encoding and decoding BSON holds the GIL.
_COMMAND_BYTES = 300_000
_READ_AT_ONCE = 50
# The overhead of an array element in BSON.
_ELEMENT_BYTES = 12

Stored = Mapping[str, Any]


async def store(job: Import, results: Sequence[RowResult]) -> None:
    """Store the failed rows as far as the limits allow. Their counts are set on `job` but not saved: the caller saves
    them together with the position in the file."""
    failed = [result for result in results if result.errors]
    if not failed:
        return
    await job.update_fields(alive_at=utc_now())  # fails if another process has claimed the import
    if job.resumed:
        numbers = [result.row.number for result in failed]
        # Stored by an earlier run that crashed before it saved its position.
        await FailedRow.find({"import_id": job.id, "row": {"$in": numbers}}).delete()
    for documents in await in_thread(_commands, job, failed):
        await collection(FailedRow).insert_many(documents)
        # An erasure that searched before this insert has not seen these rows.
        if await StudentBulkStore.erased_since(job.created_at):
            rows = {"import_id": job.id, "row": {"$in": [document["row"] for document in documents]}}
            blank = {"cells": [], "about": [], "errors.$[].value": "", "errors.$[].detail": REMOVED}
            await collection(FailedRow).update_many(rows, {"$set": blank})


def _commands(job: Import, failed: Sequence[RowResult]) -> list[list[dict[str, Any]]]:
    """Return the documents of failed rows in portions that are quick to encode, and count them in `job`."""
    commands: list[list[dict[str, Any]]] = []
    portion = _COMMAND_BYTES
    for result in failed:
        number = job.errors_stored or 0
        if number >= MAX_STORED or job.errors_bytes >= MAX_STORED_BYTES:
            break
        size = sum(map(len, result.row.cells)) + _ELEMENT_BYTES * len(result.row.cells)
        is_small = size <= MAX_ROW_BYTES
        if portion >= _COMMAND_BYTES:
            commands.append([])
            portion = 0
        commands[-1].append(_document(job, result, result.row.cells if is_small else []))
        job.errors_stored = number + 1
        job.errors_bytes += size if is_small else 0
        portion += size if is_small else 0
    return commands


def _document(job: Import, result: RowResult, cells: Sequence[str]) -> dict[str, Any]:
    return {
        "import_id": job.id,
        "row": result.row.number,
        "line": result.row.line,
        "cells": cells,
        "about": list(_about(result.row)),
        "errors": [asdict(error) for error in result.errors],
        "expires_at": job.expires_at,
    }


def _about(row: Row) -> Iterator[str]:
    """Yield the texts of a row that may be the student's roll number or name, and the roll numbers of others that its
    errors name. If the columns of the cells are unknown, these are the first `MAX_ABOUT` cells."""
    texts = [row.content.get("roll_no"), row.content.get("name")] if row.content else row.cells[:MAX_ABOUT]
    for text in (*texts, *row.related):
        if isinstance(text, str) and len(text) <= MAX_VALUE:
            yield unicodedata.normalize("NFC", text).strip()


async def listed(job: Import) -> list[Stored]:
    """Return the first failed rows with their errors, without their cells."""
    query = {"import_id": job.id}
    found = collection(FailedRow).find(query, {"cells": 0}).sort("row", 1).limit(MAX_LISTED)
    return list(await found.to_list(None))


async def stored(job: Import) -> AsyncIterator[Sequence[Stored]]:
    """Yield all stored failed rows in order, in portions."""
    average = job.errors_bytes // (job.errors_stored or 1)
    at_once = max(1, min(_READ_AT_ONCE, _COMMAND_BYTES // (average + 1)))
    found = collection(FailedRow).find({"import_id": job.id}).sort("row", 1).batch_size(at_once)
    while rows := await found.to_list(at_once):
        yield rows


def left_out(job: Import) -> str | None:
    """Return the sentence that states how many failed rows are not stored, if any."""
    stored_rows = job.failed if job.errors_stored is None else job.errors_stored
    left = job.failed + job.incomplete - stored_rows
    return f"{left} more rows failed and are not listed here." if left else None


def generated_roll_nos(job: Import, rows: Sequence[Stored]) -> list[list[str]]:
    """Return for each of these rows the roll number that the import made, as a list of one cell (blank if it is no row
    of the file), or an empty list if the file has a column of them. Sent again, the rows have other numbers, so the
    column must be in the file."""
    prefix = job.options.columns.roll_no_prefix
    return [[] if prefix is None else [f"{prefix}{row['row']}" if row["row"] else ""] for row in rows]


def reason_of(row: Stored) -> str:
    """Return the errors of a row as text."""
    return " ".join(map(_reason, row["errors"]))


def _reason(error: Mapping[str, Any]) -> str:
    return f"{error['field']}: {error['detail']}" if error["field"] else str(error["detail"])
