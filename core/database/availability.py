"""Detection of database outages, so that requests fail fast instead of waiting for the timeout.

The driver lets each command wait for a server. That is right for the few seconds that the election of a new primary
takes. In a longer outage every request would wait for the whole timeout, in vain, and waiting requests would pile up.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from core.database.errors import is_full, is_outage
from core.errors import Unavailable

log = logging.getLogger(__name__)

MAX_WAIT_SECONDS = 5.0
"""How long to wait for an unreachable database: as long as a command may take, and longer than an election takes."""

POLL_SECONDS = 0.5

DISK_FULL_RETRY_SECONDS = 60
"""The `Retry-After` for a full disk: a person has to free space."""


class DatabaseAvailability:
    """Whether one app's database can be used: it is reachable, or has been unreachable only briefly, and its disk has
    free space."""

    def __init__(self) -> None:
        self.unprepared = False
        """True while the database has not been prepared because it was unreachable when the service started."""
        self.is_full: Callable[[], bool] = lambda: False
        """Return whether writes fail because the disk is full. Set for the embedded database only."""
        self._client: MongoClient[Any] | None = None
        self._unreachable_since: float | None = None

    def is_unavailable(self) -> bool:
        """Return whether the database has been unreachable for too long to wait for it.

        Called for each request, so it costs nothing while the database is reachable. The outage ends as soon as
        the driver has found a server.
        """
        return self.unprepared or (self._unreachable_since is not None and self._is_long_outage())

    def make_current(self) -> None:
        """Make `check_disk_space` use this instance in the current context and in tasks started from it."""
        _current.set(self)

    def check_reachable(self) -> None:
        """Raise `Unavailable` during an outage."""
        if self.is_unavailable():
            raise unreachable()

    def check_disk_space(self) -> None:
        """Raise `Unavailable` if the disk is full."""
        if self.is_full():
            raise disk_full()

    @asynccontextmanager
    async def watching(self, client: MongoClient[Any]) -> AsyncIterator[None]:
        """Watch this client's servers.

        Poll the topology that the driver keeps: the driver checks its servers each second anyway, and its own event
        listeners would cost a thread that polls just as often.
        """
        self._client, self._unreachable_since = client, None
        polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            polling.cancel()
            self._client, self._unreachable_since = None, None

    async def _poll(self) -> None:
        logged = False
        while True:
            if self._has_server():
                if logged:
                    log.warning("The database is reachable again")
                logged, self._unreachable_since = False, None
            elif self._unreachable_since is None:
                self._unreachable_since = monotonic()
            elif not logged and self._is_long_outage():
                log.error("The database is unreachable: requests that need it are refused until it is back")
                logged = True
            await asyncio.sleep(POLL_SECONDS)

    def _is_long_outage(self) -> bool:
        timed_out = self._unreachable_since is not None and monotonic() - self._unreachable_since >= MAX_WAIT_SECONDS
        return timed_out and not self._has_server()

    def _has_server(self) -> bool:
        """Return whether the driver knows a server for commands: a primary, unless the URL allows secondaries."""
        client = self._client
        return client is None or client.topology_description.has_readable_server(client.read_preference)


def unreachable() -> Unavailable:
    """Return the error for a request that needs the database while it is unreachable."""
    return Unavailable("The database is not responding.")


def disk_full() -> Unavailable:
    """Return the error for a write while the disk is full."""
    return Unavailable(
        "The disk of the database is full: data can be read but not written.", retry_after=DISK_FULL_RETRY_SECONDS
    )


def as_unavailable(error: PyMongoError) -> Unavailable | None:
    """Return the `Unavailable` that clients see if a driver error means an outage or a full disk, else None."""
    if is_outage(error):
        return unreachable()
    return disk_full() if is_full(error) else None


_current: ContextVar[DatabaseAvailability] = ContextVar("database_availability")


def check_disk_space() -> None:
    """Raise `Unavailable` if the disk of the current context's database is full.

    For long-running work, which inherits the context of the request or command that started it. Short requests are
    refused before they begin.
    """
    if availability := _current.get(None):
        availability.check_disk_space()
