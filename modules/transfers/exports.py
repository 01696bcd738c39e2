"""Students on their way out, as CSV or NDJSON, page by page: nothing is ever held as a whole."""

import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from io import StringIO
from typing import Any

from pydantic_core import to_json

from modules.students import Row, Selection, subjects_of, walk
from modules.transfers import failures
from modules.transfers.ahead import in_thread
from modules.transfers.cells import escape, escape_as_read
from modules.transfers.models import Import
from modules.transfers.table import FIELDS, REASON

# Tells spreadsheets that a text is UTF-8.
BOM = b"\xef\xbb\xbf"

_COLUMNS = [*FIELDS, "marks"]
# So many cells are written by one thread before it hands over what it has.
_MAX_CELLS = 50_000
_MARKED = {*FIELDS, REASON, "created_at", "updated_at"}


async def as_csv(selection: Selection) -> AsyncIterator[bytes]:
    """A header, then a line a student: roll number, name, branch, and a column a subject. Such a file can be imported
    unchanged."""
    subjects = await subjects_of(selection)
    yield BOM + await in_thread(_header, subjects)
    at_once = max(1, _MAX_CELLS // (len(subjects) + len(FIELDS)))
    async for students in walk(selection, _COLUMNS):
        for first in range(0, len(students), at_once):
            yield await in_thread(_lines, students[first : first + at_once], subjects)


def _header(subjects: Sequence[str]) -> bytes:
    return _line([*FIELDS, *(escape(_column(subject)) for subject in subjects)], ",")


def _lines(students: Sequence[Row], subjects: Sequence[str]) -> bytes:
    text = StringIO()
    writer = csv.writer(text)
    for student in students:  # each in a call of its own: a single one would hold the interpreter's lock for all
        marks = student["marks"]
        fields = [escape(student[field]) for field in FIELDS]
        writer.writerow([*fields, *(marks.get(subject, "") for subject in subjects)])
    return text.getvalue().encode()


async def as_ndjson(selection: Selection) -> AsyncIterator[bytes]:
    """A JSON object a line."""
    async for students in walk(selection, _COLUMNS):
        yield await in_thread(_objects, students)


def _objects(students: Sequence[Row]) -> bytes:
    return b"".join(to_json({field: student[field] for field in _COLUMNS}) + b"\n" for student in students)


def _column(subject: str) -> str:
    """A subject that is called like a field goes by its longer name."""
    return f"marks.{subject}" if subject in _MARKED else subject


async def failed_rows(job: Import) -> AsyncIterator[bytes]:
    """The rows of an import that failed and are stored, with the same separator, each with the reason in a column more.
    Their cells read as those that came; formulas are escaped. The reasons of a file that was mended before are left
    out. Where rows are not stored, a last line says how many, as a reason."""
    columns = job.header if job.format == "csv" else ["row"]
    yield BOM + await in_thread(_failed_header, columns, job.separator)
    async for rows in failures.stored(job):
        yield await in_thread(_failed_lines, rows, columns, job.separator)
    stored = job.failed if job.errors_stored is None else job.errors_stored
    if left := job.failed - stored:
        yield _line([*_blank(columns), f"{left} more rows failed, which are not listed here."], job.separator)


def _kept(columns: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(columns) if name.strip() != REASON]


def _blank(columns: Sequence[str]) -> list[str]:
    return [""] * len(_kept(columns))


def _failed_header(columns: Sequence[str], separator: str) -> bytes:
    return _line([*(escape_as_read(columns[place], is_mark=False) for place in _kept(columns)), REASON], separator)


def _failed_lines(rows: Sequence[failures.Stored], columns: Sequence[str], separator: str) -> bytes:
    kept = _kept(columns)
    are_marks = [name.strip() not in FIELDS for name in columns]
    return b"".join(_line([*_as_read(row, kept, are_marks), _reasons(row)], separator) for row in rows)


def _as_read(row: failures.Stored, kept: Sequence[int], are_marks: Sequence[bool]) -> list[str]:
    """The cells of a failed row; blank ones where they were not stored."""
    cells = row["cells"]
    if not cells:
        return [""] * len(kept)
    if len(cells) != len(are_marks):
        return [escape_as_read(cell, is_mark=False) for cell in cells]
    return [escape_as_read(cells[place], is_mark=are_marks[place]) for place in kept]


def _reasons(row: failures.Stored) -> str:
    return escape(" ".join(map(_reason, row["errors"])))


def _reason(fault: Mapping[str, Any]) -> str:
    return f"{fault['field']}: {fault['detail']}" if fault["field"] else str(fault["detail"])


def _line(cells: Sequence[str], separator: str) -> bytes:
    text = StringIO()
    csv.writer(text, delimiter=separator).writerow(cells)
    return text.getvalue().encode()
