"""Reading of an import's file in batches of rows, in a thread so that other requests are not blocked."""

import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from modules.students import identity_key
from modules.transfers.columns.assignment import assign, is_roll_no
from modules.transfers.columns.cell_values import value_options
from modules.transfers.columns.columns import Columns
from modules.transfers.files.csv_reader import Layout, read_csv, read_layout
from modules.transfers.files.ndjson_reader import read_ndjson
from modules.transfers.files.table import InvalidFile, Row, RowError
from modules.transfers.files.text import UTF_8, open_text
from modules.transfers.imports.row_validation import MAX_VALUE, check
from modules.transfers.options import Options
from modules.transfers.prefetch import in_thread, prefetch

# Limits of a batch: the number of rows, and the bytes read from the file.
BATCH = 500
BATCH_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class CsvTable:
    """How a CSV file is to be read: its layout, what its columns are taken for, and the lines of rows to leave out."""

    layout: Layout
    columns: Columns
    ignored_rows: frozenset[int] = frozenset()


def open_table(path: Path, options: Options | None = None, *, is_workbook: bool = False) -> CsvTable:
    """Read the layout and the columns of a CSV file, which may have been made of a workbook. Raise `InvalidFile`."""
    options = options or Options()
    is_named = partial(is_roll_no, options=options.columns)
    encoding, separator = (UTF_8, ",") if is_workbook else (options.encoding, None)
    layout = read_layout(path, is_named, encoding, separator, options.columns.highest_number)
    assigned = assign(layout.header, options.columns, options.cells.scales)
    values = value_options(options.cells, assigned, decimal_comma=None if layout.separator == "," else True)
    columns = Columns(assigned, options.columns, values, options.skip_cells, layout.width)
    return CsvTable(layout, columns, frozenset(options.ignored_rows))


def batches(path: Path, table: CsvTable | None) -> AsyncGenerator[list[Row]]:
    """Yield the checked rows of a CSV file, or of an NDJSON file if there is no table, and read the next batch while
    the caller processes the current one. Raise `InvalidFile` if the file cannot be read."""
    return prefetch(_batches(path, table))


async def _batches(path: Path, table: CsvTable | None) -> AsyncGenerator[list[Row]]:
    with closing(_checked(path, table)) as rows:
        is_last = False
        while not is_last:
            batch, is_last = await in_thread(_next_batch, rows)
            if batch:
                yield batch


def _next_batch(rows: Iterator[tuple[Row | None, int]]) -> tuple[list[Row], bool]:
    """Return the next rows, and whether the file ends after them. Blank lines count towards the bytes of a batch,
    because a thread that reads millions of them could not be cancelled."""
    batch: list[Row] = []
    begin: int | None = None
    for row, offset in rows:
        begin = offset if begin is None else begin
        if row:
            batch.append(row)
        if len(batch) == BATCH or offset - begin > BATCH_BYTES:
            return batch, False
    return batch, True


def _checked(path: Path, table: CsvTable | None) -> Generator[tuple[Row | None, int]]:
    """Yield the rows of a file (None for a blank line), each with the number of bytes read so far."""
    with _opened(path, table) as file, closing(_SeenRollNumbers()) as seen:
        number = 0
        for row in _csv_rows(file, table) if table else read_ndjson(file):
            offset = file.buffer.tell()
            if row:
                number += 1
                row.number, row.offset = number, offset
                seen.add(check(row))
            yield row, offset


def _opened(path: Path, table: CsvTable | None) -> TextIO:
    return open_text(path, table.layout.encoding) if table else open_text(path)


def _csv_rows(file: TextIO, table: CsvTable) -> Iterator[Row | None]:
    """Yield the rows of a CSV file. At its end, raise `InvalidFile` if a line to leave out is beyond it."""
    number, last = 0, table.layout.header_line
    for raw in read_csv(file, table.layout):
        last = raw.line if raw else last
        if raw is None or raw.line in table.ignored_rows or not table.columns.has_content(raw):
            yield None
        else:
            number += 1
            yield table.columns.row(raw, number)
    if beyond := [line for line in sorted(table.ignored_rows) if line > last]:
        raise InvalidFile(f"ignore_rows names the line {beyond[0]}, but the last row of the file is at line {last}.")


class _SeenRollNumbers:
    """The roll numbers of the rows read so far, with their lines. SQLite moves them to disk when they are many."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._table.execute("PRAGMA synchronous=OFF")
        self._table.execute("PRAGMA journal_mode=OFF")
        columns = "key TEXT, roll_no TEXT, line INTEGER, PRIMARY KEY (key, roll_no)"
        self._table.execute(f"CREATE TABLE seen ({columns}) WITHOUT ROWID")

    def close(self) -> None:
        self._table.close()

    def add(self, row: Row) -> None:
        """Record the roll number of a row. Add an error to the row if an earlier row has the same one; otherwise set
        `twin` if an earlier row has one with the same identity key."""
        roll_no = row.content.get("roll_no")
        if not isinstance(roll_no, str):
            return
        key = identity_key(roll_no)
        row.twin = self._table.execute("SELECT roll_no, line FROM seen WHERE key = ? LIMIT 1", (key,)).fetchone()
        values = (key, roll_no, row.line)
        if not self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", values).rowcount:
            query = "SELECT line FROM seen WHERE key = ? AND roll_no = ?"
            (line,) = self._table.execute(query, (key, roll_no)).fetchone()
            detail = f"Lines {line} and {row.line} have the same roll number."
            row.errors.append(RowError("roll_no", roll_no[:MAX_VALUE], "duplicate", detail))
