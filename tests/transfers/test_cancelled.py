"""Cancellation of an import: it ends only when its threads and tasks have ended."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modules.transfers.files.table import Row
from modules.transfers.imports import import_job, row_reader
from modules.transfers.imports.row_reader import open_table
from modules.transfers.imports.row_validation import check
from modules.transfers.imports.row_writer import Batch
from modules.transfers.models import Import

pytestmark = pytest.mark.anyio

IMPORT = cast("Import", SimpleNamespace(format="csv", position=0))
"""The fields of an import that are used before anything is written."""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file of two batches. Return its path."""
    monkeypatch.setattr(row_reader, "BATCH", 1)
    file = tmp_path / "class.csv"
    file.write_text("roll_no\nS1\nS2\n")
    return file


async def cancel(job: Coroutine[Any, Any, object], begun: asyncio.Event) -> None:
    task = asyncio.create_task(job)
    await asyncio.wait_for(begun.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_batch_that_is_prepared_meanwhile_is_cancelled(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), list[str]()

    async def prepare(rows: Sequence[Row], _: Import) -> Batch:
        if rows[0].number == 2:
            begun.set()
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                ended.append("cancelled")
                raise
        return Batch(rows, [], [])

    async def write(*_: object) -> None:
        await asyncio.sleep(20)

    monkeypatch.setattr(import_job, "prepare", prepare)
    monkeypatch.setattr(import_job, "write", write)

    await cancel(import_job._write_all(IMPORT, file, open_table(file)), begun)

    assert ended == ["cancelled"]


async def test_the_batch_that_is_read_meanwhile_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, reads, may_end, ended = asyncio.Event(), Event(), Event(), list[str]()

    def slow_check(row: Row) -> Row:
        if row.number == 2:
            reads.set()
            assert may_end.wait(20)
            ended.append("read")
        return check(row)

    async def validate_all(*_: object) -> None:
        await asyncio.to_thread(reads.wait, 20)
        begun.set()
        asyncio.get_running_loop().call_later(0.02, may_end.set)
        await asyncio.sleep(20)

    monkeypatch.setattr(row_reader, "check", slow_check)
    monkeypatch.setattr(import_job, "validate_all", validate_all)

    await cancel(import_job._validate_all(IMPORT, file, open_table(file)), begun)

    assert ended == ["read"]
