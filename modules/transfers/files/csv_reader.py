"""Reading of CSV (RFC 4180) and NDJSON files row by row. An error in the file as a whole raises `InvalidFile`; an error
in a row is added to the row."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from pydantic_core import PydanticCustomError

from core.errors import Problem
from modules.students import subject_of
from modules.transfers.files.formula_escaping import content_of

MAX_ROW = 1_000_000
MAX_COLUMNS = 10_000
# Parsing JSON holds the GIL. A student with 100 subjects and every character escaped is shorter.
MAX_OBJECT = 200_000
MAX_MEMBERS = 100

FIELDS = ("roll_no", "name", "branch")
# The column that `errors.csv` adds; imports ignore it.
REASON = "import_error"
_MARKS = "marks."


def open_text(path: Path) -> TextIO:
    """Open a file for `read_csv` or `read_ndjson`. Raise `InvalidFile` if it is a zip archive."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InvalidFile("This is a zip archive, perhaps an Excel workbook. Save it as CSV (UTF-8).")
    return path.open(encoding="utf-8-sig", newline="")


class InvalidFile(Problem):
    """The file cannot be read because of its encoding, its header or its format. Nothing was imported. Correct the
    error described in `detail` and send the file again."""

    status = 422
    title = "File cannot be read"


@dataclass(frozen=True, slots=True)
class RowError:
    """An error in a row: the column, the value, a code for programs, and a sentence for people."""

    field: str
    value: str
    code: str
    detail: str


@dataclass(slots=True)
class Row:
    """A row as read from the file. `blanks` are the subjects whose cell is empty; `offset` is the number of bytes read
    up to the row."""

    number: int
    line: int
    cells: list[str]
    content: dict[str, Any] = field(default_factory=dict)
    blanks: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    offset: int = 0


def read_ndjson(file: TextIO) -> Iterator[Row | None]:
    """Yield the rows of a file with one JSON object per line, and None for a blank line."""
    for line, text in enumerate(lines := _Lines(file), 1):
        lines.begin_row()
        stripped = text.strip()
        yield _object(Row(0, line, [stripped]), stripped) if stripped else None


def _object(row: Row, text: str) -> Row:
    if len(text) > MAX_OBJECT:
        detail = f"This line is longer than {MAX_OBJECT:,} characters, the maximum for one student."
        row.errors.append(RowError("", "", "json_invalid", detail))
        return row
    try:
        content = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()  # raises ValueError for a lone surrogate
    except (ValueError, RecursionError):
        row.errors.append(RowError("", "", "json_invalid", "This line is not valid JSON."))
        return row
    if not isinstance(content, dict):
        row.errors.append(RowError("", "", "object", "This line is not a JSON object."))
        return row
    if len(content) > MAX_MEMBERS:
        row.errors.append(RowError("", "", "extra_forbidden", f"This object has {len(content)} members."))
        return row
    row.content = content
    return row


def read_csv(file: TextIO) -> Iterator[Row | None]:
    """Yield the rows of a CSV file with a header, and None for a blank line. The separator is detected in the header: a
    comma, a semicolon or a tab. With the latter two, marks may have a decimal comma."""
    lines = _Lines(file)
    cells, separator = _header_cells(next(lines, ""))
    header = Header.parse(cells)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    begins = 2
    try:
        for cells in reader:
            is_blank = not any(cell.strip() for cell in cells)
            yield None if is_blank else header.row(begins, cells, decimal_comma=separator != ",")
            begins = reader.line_num + 2
            lines.begin_row()
    except csv.Error as error:
        detail = f"In the row that starts at line {begins}: {error}. A closing quotation mark may be missing."
        raise InvalidFile(detail) from None


def header_of(path: Path) -> tuple[list[str], str]:
    """Return the first row of a CSV file unchanged, and its separator. Raise `InvalidFile` if it is not a header."""
    with open_text(path) as file:
        cells, separator = _header_cells(next(_Lines(file), ""))
    Header.parse(cells)
    return cells, separator


def _header_cells(first: str) -> tuple[list[str], str]:
    """Return the cells of a header row and the separator: the one that isolates the cell `roll_no`, or else the most
    frequent one. Raise `InvalidFile` if the row cannot be parsed."""
    likely = sorted(",;\t", key=first.count, reverse=True)
    try:
        for separator in likely:
            cells = next(csv.reader([first], delimiter=separator), [])
            if "roll_no" in map(str.strip, cells):
                return cells, separator
        return next(csv.reader([first], delimiter=likely[0]), []), likely[0]
    except csv.Error as error:
        raise InvalidFile(f"The first line must contain the column names, but cannot be parsed: {error}.") from None


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a CSV file. Each one is a field of a student or the mark in a subject."""

    fields: Sequence[str | None]
    subjects: Sequence[str]

    @classmethod
    def parse(cls, cells: Sequence[str]) -> "Header":
        """Parse a header row. Raise `InvalidFile` with a message that says how to correct it."""
        names = [content_of(cell) for cell in cells]
        if not any(names):
            raise InvalidFile("The first line must contain the column names: roll_no, name, branch and the subjects.")
        if len(names) > MAX_COLUMNS:
            raise InvalidFile(f"The file has more than {MAX_COLUMNS:,} columns.")
        _refuse_misspelt(names)
        if "roll_no" not in names:
            raise InvalidFile("The column roll_no is missing. The first line must contain the column names.")
        return cls(
            [name if name in (*FIELDS, REASON) else None for name in names],
            _subjects(names),
        )

    def row(self, line: int, cells: list[str], *, decimal_comma: bool) -> Row:
        """Return the row of these cells, which starts at this line."""
        row = Row(0, line, cells)
        if len(cells) != len(self.fields):
            detail = f"This row has {len(cells)} cells; the header has {len(self.fields)}."
            row.errors.append(RowError("", "", "ragged", detail))
            return row
        marks: dict[str, Any] = {}
        for name, subject, cell in zip(self.fields, self.subjects, cells, strict=True):
            text = content_of(cell)
            if name == REASON:
                continue
            if name:
                row.content |= {name: text} if text else {}
            elif text:
                marks[subject] = _mark(text, decimal_comma=decimal_comma)
            else:
                row.blanks.append(subject)
        row.content["marks"] = marks
        return row


def _refuse_misspelt(names: Sequence[str]) -> None:
    for wanted in FIELDS:
        if wanted in names:
            continue
        likeness = {re.sub(r"[\s_-]+", "_", name.casefold()): name for name in names}
        for close in get_close_matches(wanted, likeness, n=1, cutoff=0.85):
            raise InvalidFile(f'Unknown column "{likeness[close][:80]}". Did you mean {wanted}?')


def _subject(column: int, name: str) -> str:
    try:
        return subject_of(name.removeprefix(_MARKS))
    except PydanticCustomError as error:
        raise InvalidFile(f'Column {column}, "{name[:80]}", cannot be a subject: {error.message()}') from None


def _subjects(names: Sequence[str]) -> list[str]:
    """Return the subject of each column, or its name if it is a field. Raise `InvalidFile` for an invalid or repeated
    column."""
    fields = (*FIELDS, REASON)
    subjects = [name if name in fields else _subject(column, name) for column, name in enumerate(names, 1)]
    known = set[tuple[bool, str]]()
    for column in [(name in fields, subject) for name, subject in zip(names, subjects, strict=True)]:
        if column in known:
            raise InvalidFile(f'The column "{column[1]}" occurs more than once.')
        known.add(column)
    return subjects


def _mark(text: str, *, decimal_comma: bool) -> int | float | str:
    """Return the number in a cell, or the text itself, which validation then rejects."""
    number = text.replace(",", ".") if decimal_comma else text
    if re.fullmatch(r"[+-]?\d{1,15}", number, re.ASCII):
        return int(number)
    return float(number) if re.fullmatch(r"[+-]?\d{0,15}\.\d{1,15}", number, re.ASCII) else text


class _Lines(Iterator[str]):
    """An iterator over the lines of a file, with their line ends.

    It raises `InvalidFile` for a line, or a row of several lines, longer than `MAX_ROW` characters, for invalid UTF-8
    and for NUL bytes.
    """

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 0
        self._left = MAX_ROW

    def begin_row(self) -> None:
        """Start a new row with the next line, which resets the length limit."""
        self._left = MAX_ROW

    def __next__(self) -> str:
        self._number += 1
        try:
            line = self._text.readline(MAX_ROW)
        except UnicodeDecodeError:
            detail = f"The text near line {self._number} is not UTF-8. Save the file with the encoding UTF-8."
            raise InvalidFile(detail) from None
        if not line:
            raise StopIteration
        if "\0" in line:
            raise InvalidFile(f"Line {self._number} contains a NUL byte, so the file is not UTF-8 text.")
        self._left -= len(line)
        if self._left <= 0:
            raise InvalidFile(f"The row at line {self._number} is longer than {MAX_ROW:,} characters.")
        return line
