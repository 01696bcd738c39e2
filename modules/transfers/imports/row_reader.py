"""Reading of an import's file in batches of rows, in a thread so that other requests are not blocked."""

import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from pathlib import Path

from modules.transfers.files.csv_reader import Row, RowError, open_text, read_csv, read_ndjson
from modules.transfers.imports.row_validation import MAX_VALUE, check
from modules.transfers.prefetch import in_thread, prefetch

# Limits of a batch: the number of rows, and the bytes read from the file.
BATCH = 500
BATCH_BYTES = 1_000_000


def batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    """Yield the checked rows of a file, and read the next batch while the caller processes the current one. Raise
    `InvalidFile` if the file cannot be read."""
    return prefetch(_batches(path, format_))


async def _batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    with closing(_checked(path, format_)) as rows:
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


def _checked(path: Path, format_: str) -> Generator[tuple[Row | None, int]]:
    """Yield the rows of a file (None for a blank line), each with the number of bytes read so far."""
    read = read_csv if format_ == "csv" else read_ndjson
    with open_text(path) as file, closing(_SeenRollNumbers()) as seen:
        number = 0
        for row in read(file):
            offset = file.buffer.tell()
            if row:
                number += 1
                row.number, row.offset = number, offset
                seen.add(check(row))
            yield row, offset


class _SeenRollNumbers:
    """The roll numbers of the rows read so far, with their lines. SQLite moves them to disk when they are many."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._table.execute("PRAGMA synchronous=OFF")
        self._table.execute("PRAGMA journal_mode=OFF")
        self._table.execute("CREATE TABLE seen (roll_no TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def close(self) -> None:
        self._table.close()

    def add(self, row: Row) -> None:
        """Record the roll number of a row, and add an error to the row if an earlier row has the same one."""
        roll_no = row.content.get("roll_no")
        if not isinstance(roll_no, str):
            return
        added = self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (roll_no, row.line)).rowcount
        if not added:
            (line,) = self._table.execute("SELECT line FROM seen WHERE roll_no = ?", (roll_no,)).fetchone()
            detail = f"Lines {line} and {row.line} have the same roll number."
            row.errors.append(RowError("roll_no", roll_no[:MAX_VALUE], "duplicate", detail))
