"""While the database is away: told at once, instead of waited out by everybody.

The driver lets each command wait for a server, which is right for the seconds that the election of a new primary takes.
In a longer outage, whoever comes would wait for all of the time-out, in vain, and those who wait would pile up.
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

PATIENCE_SECONDS = 5.0
"""For so long an absence is waited out: as long as a command may take, and longer than an election does."""

LOOK_SECONDS = 0.5

ROOM_SECONDS = 60
"""When to try again where a disk is full: it takes a person to make room."""


class Outage:
    """Whether the database is known to be away for too long to wait for it: that of one app."""

    def __init__(self) -> None:
        self.unprepared = False
        """Set from the start until the database has been prepared, where it was away then."""
        self.is_full: Callable[[], bool] = lambda: False
        """Whether nothing can be written, as the disk is full; set where the database is our own."""
        self._client: MongoClient[Any] | None = None
        self._since: float | None = None

    def is_on(self) -> bool:
        """Asked for each request; costs nothing while all is well. It ends as soon as the driver knows a server."""
        return self.unprepared or (self._since is not None and self._lasts())

    def use(self) -> None:
        """Let `check_room` ask this one, from here on and in what is begun from here."""
        _current.set(self)

    def check(self) -> None:
        """Raise `Unavailable` in an outage."""
        if self.is_on():
            raise Unavailable("The database does not answer.")

    def check_room(self) -> None:
        """Raise `Unavailable` where nothing can be written."""
        if self.is_full():
            raise no_room()

    @asynccontextmanager
    async def watching(self, client: MongoClient[Any]) -> AsyncIterator[None]:
        """The time in which this client's servers are looked at. The driver looks by itself, each second: only what it
        knows is asked, since its own events would cost a thread that looks as often."""
        self._client, self._since = client, None
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            self._client, self._since = None, None

    async def _look(self) -> None:
        told = False
        while True:
            if self._sees_a_server():
                if told:
                    log.warning("The database is back")
                told, self._since = False, None
            elif self._since is None:
                self._since = monotonic()
            elif not told and self._lasts():
                log.error("The database is away: requests that need it are refused until it is back")
                told = True
            await asyncio.sleep(LOOK_SECONDS)

    def _lasts(self) -> bool:
        away = self._since is not None and monotonic() - self._since >= PATIENCE_SECONDS
        return away and not self._sees_a_server()

    def _sees_a_server(self) -> bool:
        """Whether there is one that commands can be sent to: a primary, unless the address asks for others."""
        client = self._client
        return client is None or client.topology_description.has_readable_server(client.read_preference)


def no_room() -> Unavailable:
    """What is answered to who would write on a full disk."""
    return Unavailable(
        "The disk of the database is full: it can be read, but nothing can be written.", retry_after=ROOM_SECONDS
    )


def as_unavailable(error: PyMongoError) -> Unavailable | None:
    """What is answered to who meets this error, where it tells of an outage or of a full disk."""
    if is_outage(error):
        return Unavailable("The database does not answer.")
    return no_room() if is_full(error) else None


_current: ContextVar[Outage] = ContextVar("outage")


def check_room() -> None:
    """Raise `Unavailable` where the database of this request or command, or of the one that began this work, cannot be
    written to. For work that lasts: other requests are refused before they begin."""
    if outage := _current.get(None):
        outage.check_room()
