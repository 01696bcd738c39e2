"""The imports under way in this process: how many at once, that they show signs of life, and let go at the end.

An import has a place from the first byte of its upload to the end of its work. A user has fewer places than there are
for work, so that one user cannot keep all others from importing. An upload alone takes no place for work: it may last
for days.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from pymongo.errors import PyMongoError

from core.clock import utc_now
from core.database import as_unavailable
from core.errors import Problem, TooManyRequests, Unavailable
from modules.transfers.imports import service
from modules.transfers.metrics import ENDED, INTERRUPTED, STARTED
from modules.transfers.models import Import

log = logging.getLogger(__name__)

MAX_AT_ONCE = 3
MAX_OF_USER = 2
PULSE_SECONDS = 3.0
RETRY_SECONDS = 10

Job = Callable[[Import], Awaitable[None]]

_places: list["Place"] = []
_at_work: set[asyncio.Task[None]] = set()


class TooManyImports(TooManyRequests):
    """You have as many imports under way as one user may have in one process. Wait until one has ended."""

    title = "Too many imports"


class Place:
    """The place of one user's import among those of this process."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.is_for_work = False
        self.is_started = False

    def refuse_if_busy(self) -> None:
        """Raise `Unavailable` while as many imports as this process can take are at work."""
        if sum(place.is_for_work for place in _places) >= MAX_AT_ONCE:
            raise Unavailable(
                "There are as many imports under way as this server takes at once.", retry_after=RETRY_SECONDS
            )

    def take_for_work(self) -> None:
        """Reserve the work that follows the upload. Raises `Unavailable` where there is no place for it."""
        self.refuse_if_busy()
        self.is_for_work = True

    async def after(self, upload: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces of an upload, and reserve the work at its end."""
        async for piece in upload:
            yield piece
        self.take_for_work()

    def start(self, work: Import, job: Job) -> "asyncio.Task[None]":
        """Do a job on an import in the background; whoever wants to wait awaits the task. If it cannot be finished, the
        import is let go, so that it is interrupted and can be taken up."""
        STARTED.inc()
        self.is_started = True
        task = asyncio.create_task(_look_after(work, job))
        _at_work.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[None]") -> None:
        _places.remove(self)
        _at_work.discard(task)
        if not task.cancelled():
            task.exception()  # was told in the log; perhaps nobody waits for it


@contextmanager
def place_of(user: str) -> Iterator[Place]:
    """Hold a place for an import of this user, until its work has ended if it is started. Raises `TooManyImports`."""
    if sum(place.user == user for place in _places) >= MAX_OF_USER:
        raise TooManyImports(f"You have {MAX_OF_USER} imports under way already.", retry_after=RETRY_SECONDS)
    place = Place(user)
    _places.append(place)
    try:
        yield place
    finally:
        if not place.is_started:
            _places.remove(place)


async def _look_after(work: Import, job: Job) -> None:
    try:
        async with pulse(work):
            await job(work)
        ENDED.labels(work.state).inc()
    except BaseException as error:
        INTERRUPTED.inc()
        _tell(work, error)
        with suppress(Exception):  # then the missing pulse tells it
            await service.release(work)
        raise


def _tell(work: Import, error: BaseException) -> None:
    known = as_unavailable(error) if isinstance(error, PyMongoError) else error
    if isinstance(known, Problem):
        log.error("Import %s was interrupted: %s", work.id, known.detail)
    elif isinstance(error, Exception):
        log.error("Import %s was interrupted", work.id, exc_info=error)


@asynccontextmanager
async def pulse(work: Import) -> AsyncIterator[None]:
    """The time in which an import shows signs of life."""
    over = asyncio.Event()
    beating = asyncio.create_task(_beat(work, over))
    try:
        yield
    finally:
        over.set()
        await beating  # no beat is on its way any more when the import is let go


async def _beat(work: Import, over: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), PULSE_SECONDS)
            return
        with suppress(Exception):
            await work.note(alive_at=utc_now())


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The time in which imports may be under way: at its end, those that are let go."""
    try:
        yield
    finally:
        tasks = list(_at_work)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
