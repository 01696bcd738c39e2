"""Exports of students as CSV or NDJSON, streamed page by page so that memory use is bounded."""

import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from io import StringIO
from typing import Any

from pydantic_core import to_json

from modules.students import Selection, StudentReader
from modules.transfers.files.csv_reader import FIELDS, REASON
from modules.transfers.files.csv_writer import BOM, csv_line
from modules.transfers.files.formula_escaping import escape
from modules.transfers.prefetch import in_thread

_COLUMNS = [*FIELDS, "marks"]
# The number of cells that one thread call formats.
_MAX_CELLS = 50_000
_RESERVED = {*FIELDS, REASON, "created_at", "updated_at"}


async def as_csv(selection: Selection) -> AsyncIterator[bytes]:
    """Yield a CSV file with a header and one line per student: roll number, name, branch, and one column per subject.
    The file can be imported unchanged."""
    subjects = await StudentReader(selection).subjects()
    yield BOM + await in_thread(_header, subjects)
    at_once = max(1, _MAX_CELLS // (len(subjects) + len(FIELDS)))
    async for students in StudentReader(selection).pages(_COLUMNS):
        for first in range(0, len(students), at_once):
            yield await in_thread(_lines, students[first : first + at_once], subjects)


def _header(subjects: Sequence[str]) -> bytes:
    return csv_line([*FIELDS, *(escape(_column(subject)) for subject in subjects)])


def _lines(students: Sequence[Mapping[str, Any]], subjects: Sequence[str]) -> bytes:
    text = StringIO()
    writer = csv.writer(text)
    for student in students:  # one call each, because a single call for all would hold the GIL too long
        marks = student["marks"]
        fields = [escape(student[field]) for field in FIELDS]
        writer.writerow([*fields, *(marks.get(subject, "") for subject in subjects)])
    return text.getvalue().encode()


async def as_ndjson(selection: Selection) -> AsyncIterator[bytes]:
    """Yield the students as one JSON object per line."""
    async for students in StudentReader(selection).pages(_COLUMNS):
        yield await in_thread(_objects, students)


def _objects(students: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(to_json({field: student[field] for field in _COLUMNS}) + b"\n" for student in students)


def _column(subject: str) -> str:
    """Return the column name of a subject, prefixed with `marks.` if it would clash with a field."""
    return f"marks.{subject}" if subject in _RESERVED else subject
