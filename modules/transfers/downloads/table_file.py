"""Tables as files of a chosen format."""

from collections.abc import AsyncIterator

from modules.transfers.downloads.csv_file import CsvStyle, as_csv
from modules.transfers.downloads.query import XLSX
from modules.transfers.downloads.table import T, Table
from modules.transfers.downloads.workbook import check_disk
from modules.transfers.downloads.xlsx_file import as_xlsx


def table_file(table: Table[T], format_: str, style: CsvStyle) -> AsyncIterator[bytes]:
    """Return the pieces of a file with a table. Raise `Unavailable` if the disk has no space for a file that is sent
    only when it is complete."""
    if format_ != XLSX:
        return as_csv(table, style)
    check_disk()
    return as_xlsx(table)
