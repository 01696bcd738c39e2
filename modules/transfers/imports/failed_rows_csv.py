"""The failed rows of an import as a CSV file, which can be corrected and imported again."""

from collections.abc import AsyncIterator, Sequence

from modules.transfers.columns.column_names import REASON, field_of, name_of
from modules.transfers.files.csv_writer import BOM, csv_line
from modules.transfers.files.formula_escaping import escape, escape_as_read
from modules.transfers.imports import failed_rows
from modules.transfers.models import Import
from modules.transfers.prefetch import in_thread


async def as_csv(job: Import) -> AsyncIterator[bytes]:
    """Yield the stored failed rows of an import as CSV, with the separator of its file. The columns of the file keep
    their places. After them come the roll numbers that the import made, the reasons, and surplus cells.

    Importing the cells again gives the same values; formulas are escaped. A column of reasons in the imported file is
    left out. If some failed rows are not stored, a last line has their number in the column of reasons.
    """
    columns = ["row"] if job.format == "ndjson" else job.header
    added = [] if job.options.columns.roll_no_prefix is None else ["roll_no"]
    yield BOM + await in_thread(_failed_header, columns, added, job.separator)
    async for rows in failed_rows.stored(job):
        yield await in_thread(_failed_lines, job, rows, columns)
    if left_out := failed_rows.left_out(job):
        yield csv_line([*_blank([*columns, *added]), left_out], job.separator)


def _kept(columns: Sequence[str]) -> list[int]:
    return [index for index, cell in enumerate(columns) if name_of(cell) != REASON]


def _blank(columns: Sequence[str]) -> list[str]:
    return [""] * len(_kept(columns))


def _failed_header(columns: Sequence[str], added: Sequence[str], separator: str) -> bytes:
    names = [escape_as_read(columns[index], is_mark=False) for index in _kept(columns)]
    return csv_line([*names, *added, REASON], separator)


def _failed_lines(job: Import, rows: Sequence[failed_rows.Stored], columns: Sequence[str]) -> bytes:
    kept = _kept(columns)
    are_marks = [field_of(name_of(cell)) is None for cell in columns]
    lines: list[bytes] = []
    for row, added in zip(rows, failed_rows.generated_roll_nos(job, rows), strict=True):
        cells, reason = row["cells"], escape(failed_rows.reason_of(row))
        line = [*_as_read(cells, kept, are_marks), *added, reason, *_surplus(cells, len(columns))]
        lines.append(csv_line(line, job.separator))
    return b"".join(lines)


def _as_read(cells: Sequence[str], kept: Sequence[int], are_marks: Sequence[bool]) -> list[str]:
    """Return the cells of a failed row. Cells that it lacks, or that are not stored, are blank."""
    return [escape_as_read(cells[index], is_mark=are_marks[index]) if index < len(cells) else "" for index in kept]


def _surplus(cells: Sequence[str], width: int) -> list[str]:
    """Return the cells of a failed row beyond the columns. They follow the reason, which has a column of its own."""
    return [escape_as_read(cell, is_mark=False) for cell in cells[width:]]
