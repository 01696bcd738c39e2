"""Reading a file in batches that no memory is too small for."""

import asyncio
from pathlib import Path

from modules.transfers.reading import BATCH, BATCH_BYTES, batches


def sizes(path: Path) -> list[int]:
    async def read() -> list[int]:
        return [len(batch) async for batch in batches(path, "csv")]

    return asyncio.run(read())


def test_a_batch_has_so_many_rows(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    file.write_text("roll_no\n" + "".join(f"S{number}\n" for number in range(2 * BATCH + 1)))

    assert sizes(file) == [BATCH, BATCH, 1]


def test_a_batch_of_long_rows_has_fewer(tmp_path: Path) -> None:
    file = tmp_path / "class.csv"
    long = "," * (BATCH_BYTES // 4)
    file.write_text("roll_no\n" + "".join(f"S{number}{long}\n" for number in range(50)))

    assert sum(sizes(file)) == 50
    assert max(sizes(file)) <= 6
