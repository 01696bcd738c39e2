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
TIMEOUT_SECONDS = 30

# Each query occupies a CPU core of the database and a thread of the driver's pool, which short queries need as well.
MAX_RUNNING = 2
MAX_WAITING = 16


class _Slots:
    """A semaphore with a bounded queue: `MAX_RUNNING` run, `MAX_WAITING` wait, and further requests are rejected."""

    def __init__(self) -> None:
        self._semaphore = Semaphore(MAX_RUNNING)
        self._waiting = 0

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many concurrent requests for statistics.", retry_after=TIMEOUT_SECONDS)
        self._waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._semaphore.release()


_slots: WeakKeyDictionary[AbstractEventLoop, _Slots] = WeakKeyDictionary()


@asynccontextmanager
async def query_slot() -> AsyncIterator[None]:
    """Hold one of the `MAX_RUNNING` slots of this process for queries that read all students.

    Waiting for the slot and the queries inside may take `TIMEOUT_SECONDS` in total. Raise `Unavailable` if the queue
    is full.
    """
    with extended_timeout():
        async with _slots.setdefault(get_running_loop(), _Slots()).acquire():
            yield


def extended_timeout() -> AbstractContextManager[object]:
    """Set the timeout of the queries inside to `TIMEOUT_SECONDS` in total."""
    return pymongo.timeout(TIMEOUT_SECONDS)


async def aggregate(pipeline: Sequence[Filter], **options: Any) -> list[dict[str, Any]]:
    """Run a pipeline on the collection of students and return all rows."""
    cursor = collection(StudentDocument).aggregate(list(pipeline), **options)
    rows: list[dict[str, Any]] = await cursor.to_list(None)
    return rows
