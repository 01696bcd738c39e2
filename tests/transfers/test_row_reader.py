"""Reading a file in batches of limited size."""

import asyncio
from pathlib import Path
from threading import Event

import pytest

from modules.transfers.files.table import Row
from modules.transfers.imports import row_reader
from modules.transfers.imports.row_reader import BATCH, BATCH_BYTES, batches, open_table
from modules.transfers.imports.row_validation import check


def sizes(path: Path) -> list[int]:
    async def read() -> list[int]:
        return [len(batch) async for batch in batches(path, open_table(path))]

    return asyncio.run(read())


def test_a_batch_has_a_limited_number_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    file.write_text("roll_no\n" + "".join(f"S{number}\n" for number in range(2 * BATCH + 1)))

    assert sizes(file) == [BATCH, BATCH, 1]


def test_a_batch_of_long_rows_has_fewer_rows(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    long = ",".join(["x" * (BATCH_BYTES // 16)] * 4)
    file.write_text("roll_no,name\n" + "".join(f"S{number},{long}\n" for number in range(50)))

    assert sum(sizes(file)) == 50
    assert max(sizes(file)) <= 6


def test_cancelled_reading_waits_for_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "class.csv"
    file.write_text("roll_no\nS1\n")
    begun, may_end = Event(), Event()

    def slow_check(row: Row) -> Row:
        begun.set()
        assert may_end.wait(20)
        return check(row)

    async def read() -> None:
        async for _ in batches(file, open_table(file)):
            pass

    async def cancel() -> None:
        task = asyncio.create_task(read())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, may_end.set)
        await task

    monkeypatch.setattr(row_reader, "check", slow_check)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel())
