"""Reading of CSV files (RFC 4180)."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from modules.transfers.files.table import InvalidFile, RawRow
from modules.transfers.files.text import UTF_8, Lines, open_text

SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text of a CSV file is to be read: its encoding, its separator, the cells of its header row as they stand,
    and the line that the header row starts at."""

    encoding: str
    separator: str
    header: Sequence[str]
    header_line: int


def read_layout(path: Path, is_roll_no: Callable[[str], bool]) -> Layout:
    """Detect the separator of a CSV file, and read its first row as the header. Raise `InvalidFile` if there is none.

    The separator is the one that isolates a cell for which `is_roll_no` is true, or else the most frequent one in the
    first line.
    """
    with open_text(path) as file:
        first = next(Lines(file), "")
    layouts: list[Layout] = []
    errors: list[InvalidFile] = []
    for separator in sorted(SEPARATORS, key=first.count, reverse=True):
        try:
            layouts.append(_layout(path, separator))
        except InvalidFile as error:
            errors.append(error)
    if not layouts:
        raise errors[0]
    return next((layout for layout in layouts if any(map(is_roll_no, layout.header))), layouts[0])


def _layout(path: Path, separator: str) -> Layout:
    with open_text(path) as file:
        for row in _rows(file, separator):
            return Layout(UTF_8, separator, row.cells, row.line)
    raise InvalidFile("The first line must contain the column names: roll_no, name, branch and the subjects.")


def read_csv(file: TextIO, layout: Layout) -> Iterator[RawRow | None]:
    """Yield the rows below the header, and None for a blank line. Raise `InvalidFile` if a row is not valid CSV."""
    for row in _rows(file, layout.separator):
        if row.line > layout.header_line:
            yield row if any(cell.strip() for cell in row.cells) else None


def _rows(file: TextIO, separator: str) -> Iterator[RawRow]:
    """Yield all rows of a file. One reader reads the header and the rows, because a quoted cell of the header may hold
    line breaks, too (RFC 4180, 2.6)."""
    lines = Lines(file)
    reader = csv.reader(_without_blanks(lines, separator), delimiter=separator, strict=True)
    begins = 1
    try:
        for cells in reader:
            yield RawRow(begins, cells)
            begins = reader.line_num + 1
            lines.begin_row()
    except csv.Error as error:
        detail = f"In the row that starts at line {begins}: {error}. A closing quotation mark may be missing."
        raise InvalidFile(detail) from None


def _without_blanks(lines: Lines, separator: str) -> Iterator[str]:
    """Yield lines without the blanks between a quoted cell and the separators around it, which belong to no cell."""
    cells = _cells_pattern(separator)
    for line in lines:
        if not any(pair in line for pair in _BLANK_AND_QUOTE):
            yield line
        elif lines.is_first_of_row:
            yield cells.sub(_cell, line)
        else:  # the line continues a quoted cell
            yield cells.sub(_cell, f'"{line}')[1:]


_BLANK_AND_QUOTE = (' "', '" ', '\t"', '"\t')


def _cells_pattern(separator: str) -> re.Pattern[str]:
    """Return a pattern that matches a quoted cell with the blanks around it (the separator before the cell is group 1,
    and the cell group 2), or another cell."""
    at = re.escape(separator)
    blanks = "[ \t]*" if separator != "\t" else " *"
    quoted = r'"(?:[^"]|"")*+(?:"|\Z)'
    return re.compile(rf"(\A|{at}){blanks}({quoted}){blanks}(?=[{at}\r\n]|\Z)|{at}?[^{at}]+")


def _cell(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}" if match[2] else match[0]
