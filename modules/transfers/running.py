"""The imports under way in this process: how many at once, that they show signs of life, and let go at the end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from pymongo.errors import PyMongoError

from core.clock import utc_now
from core.errors import Problem, Unavailable
from core.outage import as_unavailable
from modules.transfers import service
from modules.transfers.metrics import ENDED, INTERRUPTED, STARTED
from modules.transfers.models import Import

log = logging.getLogger(__name__)

MAX_AT_ONCE = 2
PULSE_SECONDS = 3.0

Job = Callable[[Import], Awaitable[None]]

_at_work: set[asyncio.Task[None]] = set()


def refuse_if_busy() -> None:
    """Raise `Unavailable` while as many imports as this process can take are under way."""
    if len(_at_work) >= MAX_AT_ONCE:
        raise Unavailable("There are as many imports under way as this server takes at once.", retry_after=10)


def start(work: Import, job: Job) -> "asyncio.Task[None]":
    """Do a job on an import in the background; whoever wants to wait awaits the task. If it cannot be finished, the
    import is let go, so that it is interrupted and can be taken up."""
    STARTED.inc()
    task = asyncio.create_task(_look_after(work, job))
    _at_work.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: "asyncio.Task[None]") -> None:
    _at_work.discard(task)
    if not task.cancelled():
        task.exception()  # was told in the log; perhaps nobody waits for it


async def _look_after(work: Import, job: Job) -> None:
    try:
        async with pulse(work):
            await job(work)
        ENDED.labels(work.state).inc()
    except BaseException as error:
        INTERRUPTED.inc()
        _tell(work, error)
        with suppress(Exception):  # then the missing pulse tells it
            await service.let_go(work)
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
