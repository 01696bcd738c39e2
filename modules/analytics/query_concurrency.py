"""Queries that read all students: with more time than others have, and only a few at once, so that they leave room."""

from asyncio import AbstractEventLoop, Semaphore, get_running_loop
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import pymongo

from core.database import Filter
from core.errors import Unavailable
from modules.students import StudentDocument

# The client's own limit is five seconds.
SECONDS = 30

# Each takes a core of the database's, and a thread of the driver's pool, which short queries need as well.
AT_ONCE = 2
WAITING = 16


class _Gate:
    """Lets a few through at once, keeps some waiting, and turns the rest away."""

    def __init__(self) -> None:
        self._free = Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise Unavailable("Too many statistics are being computed at once.", retry_after=SECONDS)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


_gates: WeakKeyDictionary[AbstractEventLoop, _Gate] = WeakKeyDictionary()


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """One of the few turns of this process to read all students. Waiting for it and the queries inside may take
    `SECONDS` together. Raises `Unavailable` when too many wait for theirs."""
    with more_time():
        async with _gates.setdefault(get_running_loop(), _Gate()).entered():
            yield


def more_time() -> AbstractContextManager[object]:
    """Lets the queries inside take `SECONDS` together."""
    return pymongo.timeout(SECONDS)


async def aggregate(pipeline: Sequence[Filter], **options: Any) -> list[dict[str, Any]]:
    """What a pipeline makes of all students."""
    cursor = StudentDocument.get_motor_collection().aggregate(list(pipeline), **options)
    rows: list[dict[str, Any]] = await cursor.to_list(None)
    return rows
