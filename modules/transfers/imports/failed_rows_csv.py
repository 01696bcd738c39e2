"""The failed rows of an import as a CSV file, which can be corrected and imported again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from modules.transfers.files.csv_reader import FIELDS, REASON
from modules.transfers.files.csv_writer import BOM, csv_line
from modules.transfers.files.formula_escaping import escape, escape_as_read
from modules.transfers.imports import failed_rows
from modules.transfers.models import Import
from modules.transfers.prefetch import in_thread


async def as_csv(job: Import) -> AsyncIterator[bytes]:
    """Yield the stored failed rows of an import as CSV, with the separator of its file and an additional column for the
    reason.

    Importing the cells again gives the same values; formulas are escaped. A column of reasons in the imported file is
    left out. If some failed rows are not stored, a last line has their number in the column of reasons.
    """
    columns = job.header if job.format == "csv" else ["row"]
    yield BOM + await in_thread(_failed_header, columns, job.separator)
    async for rows in failed_rows.stored(job):
        yield await in_thread(_failed_lines, rows, columns, job.separator)
    stored = job.failed if job.errors_stored is None else job.errors_stored
    if left := job.failed - stored:
        yield csv_line([*_blank(columns), f"{left} more rows failed and are not listed here."], job.separator)


def _kept(columns: Sequence[str]) -> list[int]:
    return [index for index, name in enumerate(columns) if name.strip() != REASON]


def _blank(columns: Sequence[str]) -> list[str]:
    return [""] * len(_kept(columns))


def _failed_header(columns: Sequence[str], separator: str) -> bytes:
    return csv_line([*(escape_as_read(columns[index], is_mark=False) for index in _kept(columns)), REASON], separator)


def _failed_lines(rows: Sequence[failed_rows.Stored], columns: Sequence[str], separator: str) -> bytes:
    kept = _kept(columns)
    are_marks = [name.strip() not in FIELDS for name in columns]
    return b"".join(csv_line([*_as_read(row, kept, are_marks), _reasons(row)], separator) for row in rows)


def _as_read(row: failed_rows.Stored, kept: Sequence[int], are_marks: Sequence[bool]) -> list[str]:
    """Return the cells of a failed row, or blank cells if they are not stored."""
    cells = row["cells"]
    if not cells:
        return [""] * len(kept)
    if len(cells) != len(are_marks):
        return [escape_as_read(cell, is_mark=False) for cell in cells]
    return [escape_as_read(cells[index], is_mark=are_marks[index]) for index in kept]


def _reasons(row: failed_rows.Stored) -> str:
    return escape(" ".join(map(_reason, row["errors"])))


def _reason(error: Mapping[str, Any]) -> str:
    return f"{error['field']}: {error['detail']}" if error["field"] else str(error["detail"])
