"""Limits for queries that read all students: a longer timeout, and few at once, so that other queries stay fast."""

from asyncio import AbstractEventLoop, Semaphore, get_running_loop
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

import pymongo

from core.database import Filter, collection
from core.errors import Unavailable
from modules.students import StudentDocument

# The timeout of these queries. The default of the client is five seconds.
SECONDS = 30

# Each query occupies a CPU core of the database and a thread of the driver's pool, which short queries need as well.
AT_ONCE = 2
WAITING = 16


class _Gate:
    """A semaphore with a bounded queue: `AT_ONCE` run, `WAITING` wait, and further requests are rejected."""

    def __init__(self) -> None:
        self._free = Semaphore(AT_ONCE)
        self._waiting = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        if self._waiting >= WAITING:
            raise Unavailable("Too many statistics requests are running at once.", retry_after=SECONDS)
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
    """Hold one of the `AT_ONCE` slots of this process for queries that read all students.

    Waiting for the slot and the queries inside may take `SECONDS` in total. Raise `Unavailable` if the queue is full.
    """
    with more_time():
        async with _gates.setdefault(get_running_loop(), _Gate()).entered():
            yield


def more_time() -> AbstractContextManager[object]:
    """Set the timeout of the queries inside to `SECONDS` in total."""
    return pymongo.timeout(SECONDS)


async def aggregate(pipeline: Sequence[Filter], **options: Any) -> list[dict[str, Any]]:
    """Run a pipeline on the collection of students and return all rows."""
    cursor = collection(StudentDocument).aggregate(list(pipeline), **options)
    rows: list[dict[str, Any]] = await cursor.to_list(None)
    return rows
