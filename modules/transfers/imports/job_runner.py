"""The runner of import jobs in this process: limits, heartbeats and release at shutdown.

An import holds a slot from the first byte of its upload to the end of its job. A user gets fewer slots than jobs can
run at once, so that one user cannot block all others. An upload alone does not count as a running job, because it may
last for days.

None of this is a job of the module (`core.module.Every`), which the service repeats. An import and its heartbeats are
begun by a request or a command, for one import, and end with it: a command runs no jobs, a user waits for the result,
and a heartbeat that outlives its import would make it look alive. An import that was interrupted is not resumed by
itself either, because its user may prefer to undo it.
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
HEARTBEAT_SECONDS = 3.0
RETRY_SECONDS = 10

JobFunction = Callable[[Import], Awaitable[None]]

_slots: list["Slot"] = []
_running_tasks: set[asyncio.Task[None]] = set()


class TooManyImports(TooManyRequests):
    """You have reached the limit of concurrent imports for one user in one process. Wait until one of them ends."""

    title = "Too many imports"


class Slot:
    """One user's share of the imports that this process can run at once."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.has_job = False
        self.is_started = False

    def check_capacity(self) -> None:
        """Raise `Unavailable` while this process runs as many jobs as it can."""
        if sum(slot.has_job for slot in _slots) >= MAX_AT_ONCE:
            raise Unavailable(
                "This server is running as many imports as it can. Try again later.", retry_after=RETRY_SECONDS
            )

    def reserve_job(self) -> None:
        """Reserve capacity for the job that follows the upload. Raise `Unavailable` if there is none."""
        self.check_capacity()
        self.has_job = True

    async def after(self, upload: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces of an upload, and reserve capacity for the job at its end."""
        async for piece in upload:
            yield piece
        self.reserve_job()

    def start(self, job: Import, run: JobFunction) -> "asyncio.Task[None]":
        """Run a job in the background and return its task. If the job does not finish, the import is released: its
        state is then `interrupted`, and it can be resumed."""
        STARTED.inc()
        self.is_started = True
        task = asyncio.create_task(_run(job, run))
        _running_tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[None]") -> None:
        _slots.remove(self)
        _running_tasks.discard(task)
        if not task.cancelled():
            task.exception()  # already logged; avoids asyncio's warning if the task is not awaited


@contextmanager
def hold_slot(user: str) -> Iterator[Slot]:
    """Hold a slot for an import of this user; once its job is started, until the job ends. Raise `TooManyImports`."""
    if sum(slot.user == user for slot in _slots) >= MAX_OF_USER:
        raise TooManyImports(f"You already have {MAX_OF_USER} imports in progress.", retry_after=RETRY_SECONDS)
    slot = Slot(user)
    _slots.append(slot)
    try:
        yield slot
    finally:
        if not slot.is_started:
            _slots.remove(slot)


async def _run(job: Import, run: JobFunction) -> None:
    try:
        async with heartbeat(job):
            await run(job)
        ENDED.labels(job.state).inc()
    except BaseException as error:
        INTERRUPTED.inc()
        _log_interruption(job, error)
        with suppress(Exception):  # otherwise the missing heartbeat shows the interruption
            await service.release(job)
        raise


def _log_interruption(job: Import, error: BaseException) -> None:
    known = as_unavailable(error) if isinstance(error, PyMongoError) else error
    if isinstance(known, Problem):
        log.error("Import %s was interrupted: %s", job.id, known.detail)
    elif isinstance(error, Exception):
        log.error("Import %s was interrupted", job.id, exc_info=error)


@asynccontextmanager
async def heartbeat(job: Import) -> AsyncIterator[None]:
    """Store a heartbeat of an import every `HEARTBEAT_SECONDS` while the context is open."""
    over = asyncio.Event()
    heartbeats = asyncio.create_task(_send_heartbeats(job, over))
    try:
        yield
    finally:
        over.set()
        await heartbeats  # a heartbeat after the release would make the import look alive


async def _send_heartbeats(job: Import, over: asyncio.Event) -> None:
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), HEARTBEAT_SECONDS)
            return
        with suppress(Exception):
            await job.update_fields(alive_at=utc_now())


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """Allow jobs to run, and cancel and release the running ones at shutdown."""
    try:
        yield
    finally:
        tasks = list(_running_tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
