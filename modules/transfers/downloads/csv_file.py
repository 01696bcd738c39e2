"""Tables as CSV files, which an import reads unchanged."""

import csv
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from io import StringIO

from modules.transfers.downloads.table import Cell, T, Table, WrongCell, portions
from modules.transfers.files.csv_writer import BOM
from modules.transfers.files.formula_escaping import escape
from modules.transfers.prefetch import in_thread


@dataclass(frozen=True, slots=True)
class CsvStyle:
    """The character between cells, and the decimal mark of numbers."""

    separator: str = ","
    decimal: str = "."

    def lines(self, rows: Sequence[Sequence[Cell]]) -> bytes:
        """Return rows as lines of a CSV file (RFC 4180). Formulas are escaped, and a cell with the separator in it is
        quoted, such as a number with a decimal comma between commas."""
        text = StringIO()
        writer = csv.writer(text, delimiter=self.separator)
        for row in rows:  # one call each, because a single call for all would hold the GIL too long
            writer.writerow([self._written(cell) for cell in row])
        return text.getvalue().encode()

    def _written(self, cell: Cell) -> str | int | float | None:
        match cell:
            case str():
                return escape(cell)
            case WrongCell():
                return escape(cell.text)
            case float() if self.decimal != ".":
                return repr(cell).replace(".", self.decimal)
            case _:
                return cell


DEFAULT_STYLE = CsvStyle()


async def as_csv(table: Table[T], style: CsvStyle) -> AsyncIterator[bytes]:
    """Yield a table as a CSV file in UTF-8, with a byte order mark by which spreadsheets recognize the encoding."""
    yield BOM + await in_thread(style.lines, [[column.name for column in table.columns]])
    async for records in portions(table):
        yield await in_thread(_lines, table, style, records)


def _lines(table: Table[T], style: CsvStyle, records: Sequence[T]) -> bytes:
    return style.lines([table.cells(record) for record in records])
