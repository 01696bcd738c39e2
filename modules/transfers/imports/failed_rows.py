"""The failed rows of an import. The first ones are stored, for its report and for `errors.csv`, within limits of number
and size; further ones are counted only."""

import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.clock import utc_now
from modules.students import erased_since
from modules.transfers.files.csv_reader import Row
from modules.transfers.imports.row_validation import MAX_VALUE, RowResult
from modules.transfers.models import FailedRow, Import
from modules.transfers.prefetch import in_thread

REMOVED = "Not kept, as a student was erased during the import."

MAX_STORED = 10_000
MAX_STORED_BYTES = 5_000_000
# Of a larger row only the reasons are stored.
MAX_ROW_BYTES = 200_000
MAX_LISTED = 100
MAX_ABOUT = 20

# Encoding and decoding BSON holds the interpreter's lock.
_COMMAND_BYTES = 300_000
_READ_AT_ONCE = 50
# What BSON needs for an element of an array besides its text.
_ELEMENT_BYTES = 12

Stored = Mapping[str, Any]


async def store(work: Import, verdicts: Sequence[RowResult]) -> None:
    """Store the failed ones of these rows as far as the limits allow. Notes how many those are in `work`, not in the
    database: that is done together with the position in the file."""
    failed = [verdict for verdict in verdicts if verdict.faults]
    if not failed:
        return
    await work.note(alive_at=utc_now())  # nobody else is at work on it
    if work.resumed:
        numbers = [verdict.row.number for verdict in failed]
        # Stored before by somebody who died without saying how far the work had come.
        await FailedRow.find({"import_id": work.id, "row": {"$in": numbers}}).delete()
    for documents in await in_thread(_commands, work, failed):
        await FailedRow.get_motor_collection().insert_many(documents)
        # A purge that has looked for the student before would not find these rows.
        if await erased_since(work.created_at):
            rows = {"import_id": work.id, "row": {"$in": [document["row"] for document in documents]}}
            blank = {"cells": [], "about": [], "errors.$[].value": "", "errors.$[].detail": REMOVED}
            await FailedRow.get_motor_collection().update_many(rows, {"$set": blank})


def _commands(work: Import, failed: Sequence[RowResult]) -> list[list[dict[str, Any]]]:
    """Return what is stored of failed rows, in portions that are quickly encoded; counts them in `work`."""
    commands: list[list[dict[str, Any]]] = []
    portion = _COMMAND_BYTES
    for verdict in failed:
        number = work.errors_stored or 0
        if number >= MAX_STORED or work.errors_bytes >= MAX_STORED_BYTES:
            break
        size = sum(map(len, verdict.row.cells)) + _ELEMENT_BYTES * len(verdict.row.cells)
        is_small = size <= MAX_ROW_BYTES
        if portion >= _COMMAND_BYTES:
            commands.append([])
            portion = 0
        commands[-1].append(_document(work, verdict, verdict.row.cells if is_small else []))
        work.errors_stored = number + 1
        work.errors_bytes += size if is_small else 0
        portion += size if is_small else 0
    return commands


def _document(work: Import, verdict: RowResult, cells: Sequence[str]) -> dict[str, Any]:
    return {
        "import_id": work.id,
        "row": verdict.row.number,
        "line": verdict.row.line,
        "cells": cells,
        "about": list(_about(verdict.row)),
        "errors": [asdict(fault) for fault in verdict.faults],
        "expires_at": work.expires_at,
    }


def _about(row: Row) -> Iterator[str]:
    """Yield the texts of a row that may be the student's roll number or name; of a row whose cells are in no known
    columns, each of the first ones."""
    texts = [row.content.get("roll_no"), row.content.get("name")] if row.content else row.cells[:MAX_ABOUT]
    for text in texts:
        if isinstance(text, str) and len(text) <= MAX_VALUE:
            yield unicodedata.normalize("NFC", text).strip()


async def listed(work: Import) -> list[Stored]:
    """Return the first failed rows with their errors, without their cells."""
    query = {"import_id": work.id}
    found = FailedRow.get_motor_collection().find(query, {"cells": 0}).sort("row", 1).limit(MAX_LISTED)
    return list(await found.to_list(None))


async def stored(work: Import) -> AsyncIterator[Sequence[Stored]]:
    """Yield all failed rows that are stored, in order, some at a time."""
    average = work.errors_bytes // (work.errors_stored or 1)
    at_once = max(1, min(_READ_AT_ONCE, _COMMAND_BYTES // (average + 1)))
    found = FailedRow.get_motor_collection().find({"import_id": work.id}).sort("row", 1).batch_size(at_once)
    while rows := await found.to_list(at_once):
        yield rows
