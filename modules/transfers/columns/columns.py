"""The columns of a file, and the rows made of their cells."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticCustomError

from modules.students import subject_of
from modules.transfers.columns.column_names import FIELDS, REASON
from modules.transfers.files.formula_escaping import content_of
from modules.transfers.files.table import MAX_COLUMNS, InvalidFile, RawRow, Row, RowError

_MARKS = "marks."


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file. Each one is a field of a student or the mark in a subject."""

    fields: Sequence[str | None]
    subjects: Sequence[str]

    @classmethod
    def parse(cls, header: Sequence[str]) -> "Columns":
        """Parse the cells of a header. Raise `InvalidFile` with a message that says how to correct it."""
        names = [name_of(cell) for cell in header]
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

    def row(self, raw: RawRow, *, decimal_comma: bool) -> Row:
        """Return the row of these cells. With `decimal_comma`, marks may have one."""
        row = Row(0, raw.line, raw.cells)
        if len(raw.cells) != len(self.fields):
            detail = f"This row has {len(raw.cells)} cells; the header has {len(self.fields)}."
            row.errors.append(RowError("", "", "ragged", detail))
            return row
        marks: dict[str, Any] = {}
        for name, subject, cell in zip(self.fields, self.subjects, raw.cells, strict=True):
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


def name_of(cell: str) -> str:
    """Return the column name in a cell of the header. A line break in it counts as a space."""
    return re.sub(r"[^\S\r\n]*[\r\n]\s*", " ", content_of(cell))


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
