"""Tests of the embedded mongod's cache size."""

from pathlib import Path

import pytest

from core.database.embedded import command

pytestmark = pytest.mark.process

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("memory", "size"), [(0.5, "0.25"), (2, "0.25"), (4, "0.50"), (12, "1.50"), (16, "2.00"), (512, "2.00")]
)
def test_the_cache_is_an_eighth_of_the_memory(memory: float, size: str) -> None:
    assert command.cache_size(int(memory * GIGABYTE)) == size


@pytest.mark.parametrize(("limit", "counts"), [("1073741824\n", True), ("max\n", False), (None, False)])
def test_the_memory_limit_of_a_container_is_respected(
    limit: str | None, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.max"
    monkeypatch.setattr(command, "_LIMIT", file)
    machine = command.memory()
    if limit is not None:
        file.write_text(limit)

    assert command.memory() == (GIGABYTE if counts else machine)
    assert machine > GIGABYTE
