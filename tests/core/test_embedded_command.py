"""How much memory the embedded mongod may take for its data."""

from pathlib import Path

import pytest

from core.database.embedded import command

pytestmark = pytest.mark.process

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("memory", "size"), [(0.5, "0.25"), (2, "0.25"), (4, "0.50"), (12, "1.50"), (16, "2.00"), (512, "2.00")]
)
def test_an_eighth_of_the_memory_is_for_data(memory: float, size: str) -> None:
    assert command.cache_size(int(memory * GIGABYTE)) == size


@pytest.mark.parametrize(("limit", "counts"), [("1073741824\n", True), ("max\n", False), (None, False)])
def test_a_container_has_as_much_as_its_limit(
    limit: str | None, counts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.max"
    monkeypatch.setattr(command, "_LIMIT", file)
    machine = command.memory()
    if limit is not None:
        file.write_text(limit)

    assert command.memory() == (GIGABYTE if counts else machine)
    assert machine > GIGABYTE
