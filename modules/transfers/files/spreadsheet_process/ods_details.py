"""Percentages and merged cells in a sheet of an ODS file (ODF 1.3 part 3, 9.1), which calamine reads as plain numbers,
and not at all."""

import re
from collections.abc import Iterator, Mapping
from zipfile import ZipFile

from .xlsx_details import RowPercentages
from .xml_stream import contains, parse

Merge = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last cell of a merged range, each as the indexes of its row and its column."""

# How often a blank cell or row can be repeated in a file: the size of the largest sheet.
_MAX_COLUMNS = 16_384
_MAX_ROWS = 1_048_576

_NOTABLE = re.compile(rb"""-spanned=["'](?!1["'])|["']percentage["']""")
_CONTENT = "content.xml"


def percentages_of(archive: ZipFile, sheet: str, merged: list[Merge]) -> Iterator[RowPercentages]:
    """Yield the rows of a sheet that have a percentage, and add the merged ranges to a list."""
    if not contains(archive, _CONTENT, _NOTABLE):
        return
    found = _Table(sheet, merged)
    with archive.open(_CONTENT) as file:
        for _ in parse(file, found.start, found.end):
            for first, repeated, columns in found.rows:
                yield from ((first + index, columns) for index in range(min(repeated, _MAX_ROWS)))
            found.rows.clear()


class _Table:
    """The position in a sheet that is being parsed, and the rows with percentages since the last piece: the index of
    each one, how often it is repeated, and the indexes of its percentages."""

    def __init__(self, sheet: str, merged: list[Merge]) -> None:
        self.rows: list[tuple[int, int, set[int]]] = []
        self._sheet, self._merged = sheet, merged
        self._depth = 0  # of tables, which a cell may contain as well
        self._row = self._column = 0
        self._rows_repeated = 1
        self._percentages: set[int] = set()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Record where a cell is and what kind it is."""
        if name == "table:table":
            self._depth += self._depth > 0 or attributes.get("table:name") == self._sheet
        elif self._depth != 1:
            return
        elif name == "table:table-row":
            self._column, self._percentages = 0, set()
            self._rows_repeated = int(attributes.get("table:number-rows-repeated", 1))
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._start_cell(attributes)

    def _start_cell(self, attributes: Mapping[str, str]) -> None:
        repeated = min(int(attributes.get("table:number-columns-repeated", 1)), _MAX_COLUMNS)
        columns = range(self._column, self._column + repeated)
        self._column += repeated
        rows_spanned = int(attributes.get("table:number-rows-spanned", 1))
        columns_spanned = int(attributes.get("table:number-columns-spanned", 1))
        if rows_spanned > 1 or columns_spanned > 1:
            last = self._row + rows_spanned - 1, columns[0] + columns_spanned - 1
            self._merged.append(((self._row, columns[0]), last))
        if attributes.get("office:value-type") == "percentage":
            self._percentages.update(columns)

    def end(self, name: str) -> None:
        """Record the percentages of a row that ends."""
        if name == "table:table":
            self._depth -= self._depth > 0
        elif self._depth == 1 and name == "table:table-row":
            if self._percentages:
                self.rows.append((self._row, self._rows_repeated, self._percentages))
            self._row += self._rows_repeated
