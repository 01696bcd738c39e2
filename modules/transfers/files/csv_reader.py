"""Reading files row by row: CSV (RFC 4180) and NDJSON. What is wrong with a file as a whole is an `InvalidFile`; what
is wrong with a row goes with the row."""

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
# Parsing JSON holds the interpreter's lock. A student with 100 subjects, every character escaped, needs less.
MAX_OBJECT = 200_000
MAX_MEMBERS = 100

FIELDS = ("roll_no", "name", "branch")
# What `errors.csv` adds, and what is therefore ignored.
REASON = "import_error"
_MARKS = "marks."


def open_text(path: Path) -> TextIO:
    """A file to be read by the functions here. Raises `InvalidFile` for one that is no text at all."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InvalidFile("This is a zip archive, perhaps an Excel workbook. Save it as CSV (UTF-8).")
    return path.open(encoding="utf-8-sig", newline="")


class InvalidFile(Problem):
    """The file as a whole cannot be read: its encoding, its header or its format is wrong. Nothing was imported: mend
    what `detail` names, and send the file again."""

    status = 422
    title = "File cannot be read"


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing that is wrong with a row: the column, what stands there, a word for programs, a sentence for people."""

    field: str
    value: str
    code: str
    detail: str


@dataclass(slots=True)
class Row:
    """A row as it was read. `blanks` are the subjects whose cell is empty, `offset` is how much of the file has been
    read, in bytes."""

    number: int
    line: int
    cells: list[str]
    content: dict[str, Any] = field(default_factory=dict)
    blanks: list[str] = field(default_factory=list)
    faults: list[RowError] = field(default_factory=list)
    offset: int = 0


def read_ndjson(file: TextIO) -> Iterator[Row | None]:
    """The rows of a file with one JSON object a line; None for a blank line."""
    for line, text in enumerate(lines := _Lines(file), 1):
        lines.begin_row()
        stripped = text.strip()
        yield _object(Row(0, line, [stripped]), stripped) if stripped else None


def _object(row: Row, text: str) -> Row:
    if len(text) > MAX_OBJECT:
        detail = f"This line is longer than {MAX_OBJECT:,} characters, which no JSON of a student is."
        row.faults.append(RowError("", "", "json_invalid", detail))
        return row
    try:
        content = json.loads(text)
        if "\\ud" in text.lower():
            json.dumps(content, ensure_ascii=False).encode()  # half a character is none
    except (ValueError, RecursionError):
        row.faults.append(RowError("", "", "json_invalid", "This line is not valid JSON."))
        return row
    if not isinstance(content, dict):
        row.faults.append(RowError("", "", "object", "This line is not a JSON object."))
        return row
    if len(content) > MAX_MEMBERS:
        row.faults.append(RowError("", "", "extra_forbidden", f"This object has {len(content)} members."))
        return row
    row.content = content
    return row


def read_csv(file: TextIO) -> Iterator[Row | None]:
    """The rows of a CSV file with a header; None for a blank one. The header tells the separator: a comma, a semicolon
    (then marks may have a decimal comma) or a tab."""
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
        detail = f"In the row that begins at line {begins}: {error}. Perhaps a quotation mark is left open."
        raise InvalidFile(detail) from None


def header_of(path: Path) -> tuple[list[str], str]:
    """Return the first row of a CSV file as it is, and the separator. Raises `InvalidFile` if it is no header."""
    with open_text(path) as file:
        cells, separator = _header_cells(next(_Lines(file), ""))
    Header.parse(cells)
    return cells, separator


def _header_cells(first: str) -> tuple[list[str], str]:
    """The cells of a header row and its separator: the one that sets roll_no apart, or else the one that is there most
    often. Raises `InvalidFile`."""
    likely = sorted(",;\t", key=first.count, reverse=True)
    try:
        for separator in likely:
            cells = next(csv.reader([first], delimiter=separator), [])
            if "roll_no" in map(str.strip, cells):
                return cells, separator
        return next(csv.reader([first], delimiter=likely[0]), []), likely[0]
    except csv.Error as error:
        raise InvalidFile(f"The first line must name the columns, and cannot be read: {error}.") from None


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a CSV file: each one a field of a student, or the mark in a subject."""

    fields: Sequence[str | None]
    subjects: Sequence[str]

    @classmethod
    def parse(cls, cells: Sequence[str]) -> "Header":
        """Read a header row; raises `InvalidFile` in words that say what to write instead."""
        names = [content_of(cell) for cell in cells]
        if not any(names):
            raise InvalidFile("The first line must name the columns: roll_no,name,branch and the subjects.")
        if len(names) > MAX_COLUMNS:
            raise InvalidFile(f"There are more than {MAX_COLUMNS:,} columns.")
        _refuse_misspelt(names)
        if "roll_no" not in names:
            raise InvalidFile("There is no column roll_no. The first line must name the columns.")
        return cls(
            [name if name in (*FIELDS, REASON) else None for name in names],
            _subjects(names),
        )

    def row(self, line: int, cells: list[str], *, decimal_comma: bool) -> Row:
        """One row of the file."""
        row = Row(0, line, cells)
        if len(cells) != len(self.fields):
            detail = f"This row has {len(cells)} cells; the header has {len(self.fields)}."
            row.faults.append(RowError("", "", "ragged", detail))
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
            raise InvalidFile(f'There is a column "{likeness[close][:80]}". If that is {wanted}, write {wanted}.')


def _subject(place: int, name: str) -> str:
    try:
        return subject_of(name.removeprefix(_MARKS))
    except PydanticCustomError as error:
        raise InvalidFile(f'Column {place}, "{name[:80]}", cannot be a subject: {error.message()}') from None


def _subjects(names: Sequence[str]) -> list[str]:
    """The subject of each column; for one that is a field, its own name. Raises `InvalidFile`."""
    fields = (*FIELDS, REASON)
    subjects = [name if name in fields else _subject(place, name) for place, name in enumerate(names, 1)]
    known = set[tuple[bool, str]]()
    for column in [(name in fields, subject) for name, subject in zip(names, subjects, strict=True)]:
        if column in known:
            raise InvalidFile(f'The column "{column[1]}" is there more than once.')
        known.add(column)
    return subjects


def _mark(text: str, *, decimal_comma: bool) -> int | float | str:
    """The number that a cell holds, or its text, which no mark can be."""
    number = text.replace(",", ".") if decimal_comma else text
    if re.fullmatch(r"[+-]?\d{1,15}", number, re.ASCII):
        return int(number)
    return float(number) if re.fullmatch(r"[+-]?\d{0,15}\.\d{1,15}", number, re.ASCII) else text


class _Lines(Iterator[str]):
    """The lines of a text, with their ends. Raises `InvalidFile` for a line, or a row of several, that no memory should
    hold, for what is not UTF-8, and for what is no text at all."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 0
        self._left = MAX_ROW

    def begin_row(self) -> None:
        """The next line is the first of another row."""
        self._left = MAX_ROW

    def __next__(self) -> str:
        self._number += 1
        try:
            line = self._text.readline(MAX_ROW)
        except UnicodeDecodeError:
            detail = f"Near line {self._number}: this is not UTF-8. Save the file with the encoding UTF-8."
            raise InvalidFile(detail) from None
        if not line:
            raise StopIteration
        if "\0" in line:
            raise InvalidFile(f"Line {self._number} has a NUL byte: this is not a text in UTF-8.")
        self._left -= len(line)
        if self._left <= 0:
            raise InvalidFile(f"The row at line {self._number} is longer than {MAX_ROW:,} characters.")
        return line
