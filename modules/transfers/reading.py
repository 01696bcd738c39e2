"""The rows of an import's file in batches, each read and checked in a thread so that other requests go on."""

import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from modules.transfers.ahead import ahead, in_thread
from modules.transfers.judge import check
from modules.transfers.table import Fault, Row, open_text, read_csv, read_ndjson

# A batch is as many rows, or as many bytes of the file, whichever is less.
BATCH = 500
BATCH_BYTES = 1_000_000


def batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    """The checked rows of a file, the next of which are read while those before are dealt with. Raises
    `InvalidFile`."""
    return ahead(_batches(path, format_))


async def _batches(path: Path, format_: str) -> AsyncGenerator[list[Row]]:
    with closing(_checked(path, format_)) as rows:
        while batch := await in_thread(_next_batch, rows):
            yield batch


def _next_batch(rows: Iterator[Row]) -> list[Row]:
    batch: list[Row] = []
    for row in islice(rows, BATCH):
        batch.append(row)
        if row.offset - batch[0].offset > BATCH_BYTES:
            break
    return batch


def _checked(path: Path, format_: str) -> Generator[Row]:
    read = read_csv if format_ == "csv" else read_ndjson
    with open_text(path) as file, closing(_Seen()) as seen:
        for number, row in enumerate(read(file), 1):
            row.number = number
            row.offset = file.buffer.tell()
            yield seen.look_at(check(row))


class _Seen:
    """The roll numbers of the rows so far, and their lines; on disk once they are many."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._table.execute("PRAGMA synchronous=OFF")
        self._table.execute("PRAGMA journal_mode=OFF")
        self._table.execute("CREATE TABLE seen (roll_no TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def close(self) -> None:
        self._table.close()

    def look_at(self, row: Row) -> Row:
        """The row; with a fault if its roll number was there before."""
        roll_no = row.content.get("roll_no")
        if not isinstance(roll_no, str):
            return row
        added = self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (roll_no, row.line)).rowcount
        if not added:
            (line,) = self._table.execute("SELECT line FROM seen WHERE roll_no = ?", (roll_no,)).fetchone()
            detail = f"Lines {line} and {row.line} have the same roll number."
            row.faults.append(Fault("roll_no", roll_no, "duplicate", detail))
        return row
