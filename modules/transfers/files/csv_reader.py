"""Reading of CSV files (RFC 4180)."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from core.api import plain_spaces, trimmed
from modules.transfers.files.table import InvalidFile, RawRow
from modules.transfers.files.text import Lines, detect_encoding, open_text

SEPARATORS = ",;\t|"
# The first line that Excel understands as the name of the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[,;\t| ]*[\r\n]*', re.IGNORECASE)
# Rows and columns in which the column of roll numbers is looked for.
_MAX_ROWS = 20
_MAX_COLUMNS = 1_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text of a CSV file is to be read: its encoding, its separator, the cells of its header row as they stand
    (without blank ones at the end), the line that the header row starts at, and the number of its cells with blank
    ones."""

    encoding: str
    separator: str
    header: Sequence[str]
    header_line: int
    width: int


def read_layout(
    path: Path,
    is_roll_no: Callable[[str], bool],
    encoding: str | None = None,
    separator: str | None = None,
    columns: int = 0,
) -> Layout:
    """Detect the encoding, the separator and the header of a CSV file. Raise `InvalidFile` if it has none.

    The header is the first of the first rows with a cell for which `is_roll_no` is true, or else the first row that is
    not blank. The separator is the first with which there is such a cell: the one that a first line such as `sep=;`
    names is tried first, and then the most frequent one in the first line. Both are taken as given instead. Of blank
    cells at the end of the header, those up to `columns` cells are kept.
    """
    encoding = encoding or detect_encoding(path)
    separators, skipped = ([separator], 0) if separator else _likely_separators(path, encoding)
    layouts: list[Layout] = []
    errors: list[InvalidFile] = []
    for likely in separators:
        try:
            header, is_recognised = _find_header(path, encoding, likely, is_roll_no, skipped)
        except InvalidFile as error:
            errors.append(error)
        else:
            cells = _without_blank_end(header.cells, columns)
            layouts.append(Layout(encoding, likely, cells, header.line, len(header.cells)))
            if is_recognised:
                return layouts[-1]
    _refuse_other_formats(path, encoding)
    if not layouts:
        raise errors[0]
    return layouts[0]


def _refuse_other_formats(path: Path, encoding: str) -> None:
    """Raise `InvalidFile` if a file without a column of roll numbers begins like HTML, XML or JSON."""
    with open_text(path, encoding) as file:
        begin = next((line for line in map(trimmed, Lines(file)) if line), "")
    if begin.startswith("<"):
        raise InvalidFile(
            "This is a web page or XML, as some programs save it with the extension .xls. Open it in your spreadsheet "
            "program, save it as .xlsx or CSV, and send that."
        )
    if re.match(r'\[?\{"|\[$', begin):
        raise InvalidFile("This is JSON, not CSV. Send one object a line, with the media type application/x-ndjson.")


def _likely_separators(path: Path, encoding: str) -> tuple[list[str], int]:
    """Return the separators, the likeliest first, and the number of lines that only name the separator: 0 or 1."""
    with open_text(path, encoding) as file:
        lines = (line for line in Lines(file) if line.strip())
        first = next(lines, "")
        named = _SEPARATOR_LINE.fullmatch(first)
        if named:
            return sorted(SEPARATORS, key=named[1].__eq__, reverse=True), 1
        return sorted(SEPARATORS, key=first.count, reverse=True), 0


def _find_header(
    path: Path, encoding: str, separator: str, is_roll_no: Callable[[str], bool], skipped: int
) -> tuple[RawRow, bool]:
    """Return the header of a file, and whether it has a column of roll numbers."""
    first: RawRow | None = None
    with open_text(path, encoding) as file:
        for row in islice(_rows(file, separator), skipped, _MAX_ROWS):
            if any(map(is_roll_no, row.cells[:_MAX_COLUMNS])):
                return row, True
            first = first or (row if any(map(trimmed, row.cells)) else None)
    if first is None:
        raise InvalidFile(
            "The file is empty. It must have a row of column names: roll_no, name, branch and the subjects."
        )
    return first, False


def _without_blank_end(cells: Sequence[str], at_least: int) -> list[str]:
    width = max(number for number, cell in enumerate(cells, 1) if trimmed(cell))
    return list(cells[: max(width, at_least)])


def read_csv(file: TextIO, layout: Layout) -> Iterator[RawRow | None]:
    """Yield the rows below the header, and None for a blank line. Raise `InvalidFile` if a row is not valid CSV."""
    for row in _rows(file, layout.separator):
        if row.line > layout.header_line:
            yield row if any(map(trimmed, row.cells)) else None


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
    """Yield lines with plain spaces, and without the blanks between a quoted cell and the separators around it, which
    belong to no cell."""
    cells = _cells_pattern(separator)
    for line in map(plain_spaces, lines):
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
