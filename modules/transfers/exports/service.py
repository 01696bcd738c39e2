"""Students on their way out, as CSV or NDJSON, page by page: nothing is ever held as a whole."""

import csv
from collections.abc import AsyncIterator, Sequence
from io import StringIO

from pydantic_core import to_json

from modules.students import Row, Selection, subjects_of, walk
from modules.transfers.files.csv_reader import FIELDS, REASON
from modules.transfers.files.csv_writer import BOM, csv_line
from modules.transfers.files.formula_escaping import escape
from modules.transfers.prefetch import in_thread

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
    return csv_line([*FIELDS, *(escape(_column(subject)) for subject in subjects)])


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
