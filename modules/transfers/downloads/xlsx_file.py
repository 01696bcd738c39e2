"""Tables as XLSX files."""

from collections.abc import AsyncIterator, Sequence

from core.errors import FieldError, InvalidRequest
from modules.transfers.downloads.query import XLSX
from modules.transfers.downloads.table import T, Table, portions
from modules.transfers.downloads.workbook import MAX_COLUMNS, MAX_ROWS, Sheet
from modules.transfers.prefetch import in_thread

PIECE = 256_000


def check_fits(format_: str, *, columns: int, rows: int) -> None:
    """Raise `InvalidRequest` for a table with more rows, besides the header, or columns than the format allows."""
    if format_ != XLSX:
        return
    for number, most, unit in ((columns, MAX_COLUMNS, "columns"), (rows + 1, MAX_ROWS, "rows")):
        if number > most:
            detail = (
                f"The table has {number:,} {unit}, and an XLSX file at most {most:,}. Export CSV, or fewer students."
            )
            raise InvalidRequest(errors=[FieldError(code="too_large", detail=detail, parameter="format")])


async def as_xlsx(table: Table[T]) -> AsyncIterator[bytes]:
    """Yield a table as an XLSX file.

    The first pieces are empty: they are yielded while the rows are collected, so that the consumer can stop this.
    """
    sheet = Sheet(table.title)
    try:
        await in_thread(sheet.write_header, table.columns)
        async for records in portions(table):
            await in_thread(_write, sheet, table, records)
            yield b""
        await in_thread(sheet.finish)
        while piece := await in_thread(sheet.file.read, PIECE):
            yield piece
    finally:
        await in_thread(sheet.discard)


def _write(sheet: Sheet, table: Table[T], records: Sequence[T]) -> None:
    sheet.write([table.cells(record) for record in records])
