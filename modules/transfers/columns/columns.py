"""The columns of a file, and the rows made of their cells."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticCustomError

from modules.students import subject_of
from modules.transfers.columns.column_names import FIELDS, REASON, field_of, fields_of
from modules.transfers.files.formula_escaping import content_of
from modules.transfers.files.table import MAX_COLUMNS, InvalidFile, RawRow, Row, RowError

_MARKS = "marks."
_PARTS = ("first_name", "last_name")
# Limits for messages: characters quoted of a name or a value, errors of one row, and characters of all problems.
_MAX_QUOTED = 80
_MAX_ERRORS = 20
_MAX_DETAIL = 1_900


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file. Each one is a field of a student, or the mark in a subject, or has no name."""

    fields: Sequence[str | None]
    subjects: Sequence[str | None]

    @classmethod
    def parse(cls, header: Sequence[str]) -> "Columns":
        """Parse the cells of a header. Raise `InvalidFile` with all problems of the header."""
        names = [name_of(cell) for cell in header]
        if len(names) > MAX_COLUMNS:
            raise InvalidFile(f"The file has more than {MAX_COLUMNS:,} columns.")
        fields = [REASON if name == REASON else field for name, field in zip(names, fields_of(names), strict=True)]
        subjects, problems = _subjects(names, fields)
        problems = [*_missing(names, fields), *_partial_names(names, fields), *problems]
        problems += [*_repeated(names, fields), *_repeated(names, subjects)]
        if problems:
            raise InvalidFile(_listed(problems))
        return cls(fields, subjects)

    def row(self, raw: RawRow, *, decimal_comma: bool) -> Row:
        """Return the row of these cells. With `decimal_comma`, marks may have one. Cells that are missing at the end
        are blank, and surplus blank cells are dropped."""
        width = len(self.fields)
        texts = [content_of(cell) for cell in raw.cells]
        if any(texts[width:]):
            surplus = next(index for index in range(width, len(texts)) if texts[index])
            return Row(0, raw.line, raw.cells, errors=[_unnamed(surplus, "ragged", texts)])
        row = Row(0, raw.line, raw.cells[:width])
        self._fill(row, texts[:width] + [""] * (width - len(texts)), decimal_comma=decimal_comma)
        return row

    def _fill(self, row: Row, texts: Sequence[str], *, decimal_comma: bool) -> None:
        marks: dict[str, Any] = {}
        for index, text in enumerate(texts):
            field, subject = self.fields[index], self.subjects[index]
            if field in FIELDS:
                row.content |= {field: text} if text else {}
            elif subject and text:
                marks[subject] = _mark(text, decimal_comma=decimal_comma)
            elif subject:
                row.blanks.append(subject)
            elif text and not field and len(row.errors) < _MAX_ERRORS:
                row.errors.append(_unnamed(index, "unnamed_column", texts))
        row.content["marks"] = marks


def name_of(cell: str) -> str:
    """Return the column name in a cell of the header. A line break in it counts as a space."""
    return re.sub(r"[^\S\r\n]*[\r\n]\s*", " ", content_of(cell))


def is_roll_no(cell: str) -> bool:
    """Return whether a cell is the name of the column with the roll numbers."""
    return field_of(name_of(cell)) == "roll_no"


def _unnamed(index: int, code: str, texts: Sequence[str]) -> RowError:
    column = f"column {index + 1} ({_letters(index)})"
    detail = f"The header has no name for {column}, but this row has something in it."
    return RowError(column, texts[index][:_MAX_QUOTED], code, detail)


def _letters(index: int) -> str:
    """Return the name that spreadsheets give a column: A to Z, AA, AB, ..."""
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)


def _listed(problems: Sequence[str]) -> str:
    """Return as many problems as a message can hold, and the number of the others."""
    length, count = 0, 0
    while count < len(problems) and (length := length + len(problems[count]) + 1) <= _MAX_DETAIL:
        count += 1
    left = [f"There are {len(problems) - count:,} more problems."] if count < len(problems) else []
    return " ".join([*problems[:count], *left])


def _missing(names: Sequence[str], fields: Sequence[str | None]) -> Iterator[str]:
    """Yield the fields without a column, if a similar name is not recognized, and the roll number in any case."""
    unknown = [name for name, field in zip(names, fields, strict=True) if not field]
    likeness = {re.sub(r"[\s_-]+", "_", name.casefold()): name for name in unknown}
    for wanted in FIELDS:
        if wanted in fields:
            continue
        close = get_close_matches(wanted, likeness, n=1, cutoff=0.85)
        if close:
            yield f'Unknown column "{likeness[close[0]][:_MAX_QUOTED]}". Did you mean {wanted}?'
        elif wanted == "roll_no":
            yield "There is no column roll_no, or one with a name such as Roll No or Student ID."


def _partial_names(names: Sequence[str], fields: Sequence[str | None]) -> Iterator[str]:
    """Yield a problem if there are columns for parts of the name, but none for the whole name."""
    parts = [f'"{names[fields.index(part)][:_MAX_QUOTED]}"' for part in _PARTS if part in fields]
    if len(parts) == 2 and "name" not in fields:
        yield f"Columns {' and '.join(parts)}: join them with name=join."
    elif parts and "name" not in fields:
        yield f"Column {parts[0]} is only a part of the name, and there is no column for the other part."


def _subjects(names: Sequence[str], fields: Sequence[str | None]) -> tuple[list[str | None], list[str]]:
    """Return the subject of each column that is no field, and the problems of names that cannot be subjects."""
    subjects: list[str | None] = []
    problems: list[str] = []
    for column, (name, field) in enumerate(zip(names, fields, strict=True), 1):
        subject = None
        if name and not field:
            try:
                subject = subject_of(name.removeprefix(_MARKS))
            except PydanticCustomError as error:
                reason = error.message()
                problems.append(f'Column {column}, "{name[:_MAX_QUOTED]}", cannot be a subject: {reason}')
        subjects.append(subject)
    return subjects, problems


def _repeated(names: Sequence[str], meanings: Sequence[str | None]) -> Iterator[str]:
    """Yield a problem for each field or subject with more than one column."""
    columns: dict[str, list[int]] = {}
    for index, meaning in enumerate(meanings):
        if meaning:
            columns.setdefault(meaning, []).append(index)
    for meaning, indexes in columns.items():
        if len(indexes) > 1:
            first = " and ".join(f'{index + 1} "{names[index][:_MAX_QUOTED]}"' for index in indexes[:2])
            more = f" and {len(indexes) - 2:,} more" if len(indexes) > 2 else ""
            yield f"Columns {first}{more} stand for {meaning[:_MAX_QUOTED]}. Keep one of them."


def _mark(text: str, *, decimal_comma: bool) -> int | float | str:
    """Return the number in a cell, or the text itself, which validation then rejects."""
    number = text.replace(",", ".") if decimal_comma else text
    if re.fullmatch(r"[+-]?\d{1,15}", number, re.ASCII):
        return int(number)
    return float(number) if re.fullmatch(r"[+-]?\d{0,15}\.\d{1,15}", number, re.ASCII) else text
