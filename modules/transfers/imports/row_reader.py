"""The rows of an import's file in batches, each read and checked in a thread so that other requests go on."""

import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from pathlib import Path

from modules.transfers.files.csv_reader import Row, RowError, open_text, read_csv, read_ndjson
from modules.transfers.imports.row_validation import MAX_VALUE, check
from modules.transfers.prefetch import ahead, in_thread

# A batch is as many rows, or as many bytes of the file, whichever is less.
BATCH = 500
BATCH_BYTES = 1_000_000


def batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    """The checked rows of a file, the next of which are read while those before are dealt with. Raises
    `InvalidFile`."""
    return ahead(_batches(path, format_))


async def _batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    with closing(_checked(path, format_)) as rows:
        is_last = False
        while not is_last:
            batch, is_last = await in_thread(_next_batch, rows)
            if batch:
                yield batch


def _next_batch(rows: Iterator[tuple[Row | None, int]]) -> tuple[list[Row], bool]:
    """Return the next rows, and whether the file ends here. Blank lines count as bytes only: a thread that reads
    millions of them cannot be cancelled."""
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
    """The rows of a file, None for a blank one, each with how much of the file has been read, in bytes."""
    read = read_csv if format_ == "csv" else read_ndjson
    with open_text(path) as file, closing(_Seen()) as seen:
        number = 0
        for row in read(file):
            offset = file.buffer.tell()
            if row:
                number += 1
                row.number, row.offset = number, offset
                seen.look_at(check(row))
            yield row, offset


class _Seen:
    """The roll numbers of the rows so far, and their lines; on disk once they are many."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._table.execute("PRAGMA synchronous=OFF")
        self._table.execute("PRAGMA journal_mode=OFF")
        self._table.execute("CREATE TABLE seen (roll_no TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def close(self) -> None:
        self._table.close()

    def look_at(self, row: Row) -> None:
        """Add a fault to a row whose roll number was there before."""
        roll_no = row.content.get("roll_no")
        if not isinstance(roll_no, str):
            return
        added = self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (roll_no, row.line)).rowcount
        if not added:
            (line,) = self._table.execute("SELECT line FROM seen WHERE roll_no = ?", (roll_no,)).fetchone()
            detail = f"Lines {line} and {row.line} have the same roll number."
            row.faults.append(RowError("roll_no", roll_no[:MAX_VALUE], "duplicate", detail))
