"""Exports of students as CSV, XLSX or NDJSON, read page by page so that memory use is bounded."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from modules.students import Selection, StudentReader, SubjectCatalog
from modules.transfers.columns.column_names import FIELDS, REASON, field_of
from modules.transfers.columns.doubtful_names import kind_of
from modules.transfers.downloads.csv_file import CsvStyle
from modules.transfers.downloads.query import NDJSON, XLSX
from modules.transfers.downloads.table import BRANCH, NAME, ROLL_NO, Cell, Column, Table
from modules.transfers.downloads.table_file import table_file
from modules.transfers.downloads.xlsx_file import check_fits
from modules.transfers.prefetch import in_thread

_FIELDS = (ROLL_NO, NAME, BRANCH)
_COLUMNS = [*FIELDS, "marks"]
_RESERVED = {*FIELDS, REASON, "created_at", "updated_at"}

Row = Mapping[str, Any]
Pages = AsyncIterator[Sequence[Row]]


def read(selection: Selection) -> Pages:
    """Yield the selected students in pages, as `file` takes them."""
    return StudentReader(selection).pages(_COLUMNS)


async def file(selection: Selection, students: Pages, format_: str, style: CsvStyle) -> AsyncIterator[bytes]:
    """Return the pieces of a file with the selected students.

    A table has a header and one line per student: roll number, name, branch, and one column per subject. It can be
    imported unchanged. Raise `InvalidRequest` if it has more rows or columns than the format allows.
    """
    if format_ == NDJSON:
        return _objects(students)
    subjects = await StudentReader(selection).subjects()
    if format_ == XLSX:
        check_fits(format_, columns=len(_FIELDS) + len(subjects), rows=await StudentReader(selection).count())
    return table_file(_table(students, subjects), format_, style)


def _table(students: Pages, subjects: Sequence[str]) -> Table[Row]:
    known_names = set(subjects)

    def cells(student: Row) -> list[Cell]:
        marks = student["marks"]
        # A subject may have been renamed since the columns were chosen.
        names = subjects if marks.keys() <= known_names else map(SubjectCatalog.current().name_of, subjects)
        return [*(student[field] for field in FIELDS), *map(marks.get, names)]

    return Table("students", [*_FIELDS, *(Column(_name(subject)) for subject in subjects)], students, cells)


async def _objects(students: Pages) -> AsyncIterator[bytes]:
    """Yield the students as one JSON object per line."""
    async for page in students:
        yield await in_thread(_lines, page)


def _lines(students: Sequence[Row]) -> bytes:
    return b"".join(to_json({field: student[field] for field in _COLUMNS}) + b"\n" for student in students)


def _name(subject: str) -> str:
    """Return the column name of a subject, prefixed with `marks.` if an import could take it for something else."""
    is_ambiguous = subject in _RESERVED or field_of(subject) or kind_of(subject)
    return f"marks.{subject}" if is_ambiguous else subject
