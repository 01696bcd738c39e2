"""Errors of formulas, percentages and merged cells in a sheet of an ODS file (ODF 1.3 part 3, 9.1), which calamine
reads as blank cells, as plain numbers, and not at all."""

import re
from collections.abc import Iterator, Mapping
from zipfile import ZipFile

from .cell_text import PERCENT
from .xlsx_details import RowDetails
from .xml_stream import parse, pieces

Merge = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last cell of a merged range, each as the indexes of its row and its column."""

# How often a blank cell or row can be repeated in a file: the size of the largest sheet.
_MAX_COLUMNS = 16_384
_MAX_ROWS = 1_048_576

_NOTABLE = re.compile(rb"""-spanned=["'](?!1["'])|["'](percentage|error)["']""")
_CONTENT = "content.xml"


def details_of(archive: ZipFile, sheet: str, merged: list[Merge]) -> Iterator[RowDetails]:
    """Yield the rows of a sheet that have a cell with an error or a percentage, and add the merged ranges to a list."""
    if not _is_notable(archive):
        return
    found = _Table(sheet, merged)
    with archive.open(_CONTENT) as file:
        for _ in parse(file, found.start, found.end, found.text):
            for first, repeated, details in found.rows:
                yield from ((first + index, details) for index in range(min(repeated, _MAX_ROWS)))
            found.rows.clear()


def _is_notable(archive: ZipFile) -> bool:
    """Return whether there is anything to find. A search for bytes is much faster than parsing."""
    before = b""
    with archive.open(_CONTENT) as file:
        for piece in pieces(file):
            if _NOTABLE.search(before + piece):
                return True
            before = piece[-20:]
    return False


class _Table:
    """The position in a sheet that is being parsed, and the rows with details since the last piece: the index of each
    one, how often it is repeated, and its details."""

    def __init__(self, sheet: str, merged: list[Merge]) -> None:
        self.rows: list[tuple[int, int, dict[int, str]]] = []
        self._sheet, self._merged = sheet, merged
        self._depth = 0  # of tables, which a cell may contain as well
        self._row = self._column = 0
        self._rows_repeated = 1
        self._details: dict[int, str] = {}
        self._error: tuple[range, list[str]] | None = None
        self._in_paragraph = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Record where a cell is and what kind it is."""
        if name == "table:table":
            self._depth += self._depth > 0 or attributes.get("table:name") == self._sheet
        elif self._depth != 1:
            return
        elif name == "table:table-row":
            self._column, self._details = 0, {}
            self._rows_repeated = int(attributes.get("table:number-rows-repeated", 1))
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._start_cell(attributes)
        elif name == "text:p":
            self._in_paragraph = True

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        repeated = min(int(attributes.get("table:number-columns-repeated", 1)), _MAX_COLUMNS)
        columns = range(self._column, self._column + repeated)
        self._column += repeated
        rows_spanned = int(attributes.get("table:number-rows-spanned", 1))
        columns_spanned = int(attributes.get("table:number-columns-spanned", 1))
        if rows_spanned > 1 or columns_spanned > 1:
            last = self._row + rows_spanned - 1, columns[0] + columns_spanned - 1
            self._merged.append(((self._row, columns[0]), last))
        if attributes.get("calcext:value-type") == "error":
            self._error = columns, []
        elif attributes.get("office:value-type") == "percentage":
            self._details.update(dict.fromkeys(columns, PERCENT))

    def text(self, text: str) -> None:
        """Record the text of an error."""
        if self._error and self._in_paragraph:
            self._error[1].append(text)

    def end(self, name: str) -> None:
        """Record the details of a cell or a row that ends."""
        if name == "table:table":
            self._depth -= self._depth > 0
        elif self._depth != 1:
            return
        elif name == "text:p":
            self._in_paragraph = False
        elif name == "table:table-cell" and self._error:
            columns, parts = self._error
            self._details.update(dict.fromkeys(columns, "".join(parts)))
            self._error = None
        elif name == "table:table-row":
            if self._details:
                self.rows.append((self._row, self._rows_repeated, self._details))
            self._row += self._rows_repeated
