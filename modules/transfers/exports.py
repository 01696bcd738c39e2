"""Students on their way out, as CSV or NDJSON, page by page: nothing is ever held as a whole."""

import csv
from collections.abc import AsyncIterator, Sequence
from io import StringIO

from pydantic_core import to_json

from modules.students import Row, Selection, subjects_of, walk
from modules.transfers import service
from modules.transfers.cells import defused
from modules.transfers.models import Import
from modules.transfers.table import FIELDS, REASON

# Tells spreadsheets that a text is UTF-8.
BOM = b"\xef\xbb\xbf"

_COLUMNS = [*FIELDS, "marks"]
_MARKED = {*FIELDS, REASON, "created_at", "updated_at"}


async def as_csv(selection: Selection) -> AsyncIterator[bytes]:
    """A header, then a line a student: roll number, name, branch, and a column a subject. Such a file can be imported
    unchanged."""
    subjects = await subjects_of(selection)
    yield BOM + _lines([[*FIELDS, *(defused(_column(subject)) for subject in subjects)]])
    async for students in walk(selection, _COLUMNS):
        yield _lines([_cells(student, subjects) for student in students])


def _cells(student: Row, subjects: Sequence[str]) -> list[object]:
    marks = student["marks"]
    return [*(defused(student[field]) for field in FIELDS), *(marks.get(subject, "") for subject in subjects)]


async def as_ndjson(selection: Selection) -> AsyncIterator[bytes]:
    """A JSON object a line."""
    async for students in walk(selection, _COLUMNS):
        yield b"".join(to_json({field: student[field] for field in _COLUMNS}) + b"\n" for student in students)


def _column(subject: str) -> str:
    """A subject that is called like a field goes by its longer name."""
    return f"marks.{subject}" if subject in _MARKED else subject


def _lines(rows: Sequence[Sequence[object]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def failed_rows(job: Import) -> AsyncIterator[bytes]:
    """The rows of an import that failed, as they came, with the same separator, each with the reason in a column more.
    The reasons of a file that was mended before are left out."""
    columns = job.header if job.format == "csv" else ["row"]
    kept = [place for place, name in enumerate(columns) if name.strip() != REASON]
    yield BOM + _line([*(columns[place] for place in kept), REASON], job.separator)
    async for row in service.failed_rows(job):
        as_it_came = [row.cells[place] for place in kept] if len(row.cells) == len(columns) else row.cells
        yield _line([*as_it_came, defused(" ".join(map(_reason, row.errors)))], job.separator)


def _reason(fault: dict[str, str]) -> str:
    return f"{fault['field']}: {fault['detail']}" if fault["field"] else fault["detail"]


def _line(cells: Sequence[str], separator: str) -> bytes:
    text = StringIO()
    csv.writer(text, delimiter=separator).writerow(cells)
    return text.getvalue().encode()
