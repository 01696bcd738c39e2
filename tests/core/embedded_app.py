"""An app process for the tests of `core.database.embedded`: `python -m tests.core.embedded_app DATA GRACE [write]`.

Its first line of output is the server's URL. It exits at the end of its input. With `write`, it inserts documents and
prints the number of each one whose write was acknowledged.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from pymongo import AsyncMongoClient

from core.database.embedded import find_mongod, run_embedded


async def main(data: Path, grace: float, *, write: bool) -> None:
    mongod = find_mongod(None, data)
    assert mongod is not None
    async with run_embedded(mongod, data, grace=grace) as embedded:
        print(embedded.url, flush=True)
        if write:
            await write_without_end(embedded.url)
        await asyncio.to_thread(sys.stdin.read)


async def write_without_end(url: str) -> None:
    async with AsyncMongoClient[dict[str, int]](url, w="majority", journal=True) as client:
        for number in itertools.count():
            await client.school.written.insert_one({"_id": number})
            print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]), write="write" in sys.argv))
