"""The service's lifespan: it waits for the database, checks and prepares it, and runs the modules' lifespans and jobs.

A failed start is logged in one line.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from fastapi import FastAPI
from pymongo.errors import PyMongoError

from core.database import Database, DatabaseAvailability, as_unavailable, open_database, translate_driver_errors
from core.errors import DatabaseUnreachable, StartupError
from core.events import following
from core.migrations import check
from core.module import Lifespan, Module, place_of
from core.operations.health import service
from core.operations.jobs import running_jobs
from core.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""The pause between two attempts to reach the database. Each attempt takes up to the timeout of a command."""

FAILED = 3
"""The exit status of a server that could not start, as in uvicorn, which does not restart a worker with this status."""


def open_service(
    settings: Settings, modules: Sequence[Module], availability: DatabaseAvailability | None = None
) -> AbstractAsyncContextManager[Database]:
    """Open the database, bind the modules' documents to it, and create their indexes.

    Raise `StartupError` on failure, also if the database is older or newer than the code.
    """

    async def prepare(database: Database) -> None:
        await check(database, modules, settings.migration_wait_seconds)
        await database.bind([document for part in (*modules, service) for document in part.documents])

    return open_database(settings, prepare, availability)


@asynccontextmanager
async def running(
    app: FastAPI, settings: Settings, modules: Sequence[Module], availability: DatabaseAvailability
) -> AsyncIterator[None]:
    """Run the service for the duration of the context.

    If the database is unreachable, the service starts nevertheless, in an outage that ends when the database is
    reachable and has been prepared. Raise `StartupError` for an error that waiting cannot fix; if that error occurs
    only after waiting, exit the process.
    """
    service = _Service(app, settings, modules, availability)
    work = asyncio.create_task(service.run())
    started = asyncio.create_task(service.started.wait())
    try:
        await asyncio.wait({work, started}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        yield
    finally:
        started.cancel()
        service.stopping.set()
        if availability.unprepared or not service.started.is_set():
            work.cancel()
        with suppress(asyncio.CancelledError):
            await work


class _Service:
    """The database, the modules' lifespans and jobs, run in one task, because waiting for the database takes long."""

    def __init__(
        self, app: FastAPI, settings: Settings, modules: Sequence[Module], availability: DatabaseAvailability
    ) -> None:
        self.app = app
        self.settings = settings
        self.modules = modules
        self.availability = availability
        self.started = asyncio.Event()
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        try:
            while not await self._try_to_serve():  # noqa: ASYNC110 (no event signals that the database is reachable)
                await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:
            if not self.availability.unprepared:
                raise
            traced = not isinstance(error, StartupError)
            log.error("The service cannot start. %s", error, exc_info=traced)  # noqa: TRY400 (the text has the reason)
            # Not raised here, in a task: the code that awaits the task would raise it again.
            asyncio.get_running_loop().call_soon(sys.exit, FAILED)

    async def _try_to_serve(self) -> bool:
        """Serve until the service stops, and return True; return False if the database is unreachable."""
        try:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self.availability.unprepared = False
                self.started.set()
                await self.stopping.wait()
        except DatabaseUnreachable as error:
            log.warning("Waiting for the database. %s (%s)", error, _reason(error))
            self.availability.unprepared = True
            self.started.set()
            return False
        return True

    async def _open(self, stack: AsyncExitStack) -> None:
        database = await stack.enter_async_context(open_service(self.settings, self.modules, self.availability))
        self.app.state.database = database
        stack.enter_context(following((module.name, one) for module in self.modules for one in module.followed))
        with translate_driver_errors(self.settings, database.description):
            for module in self.modules:
                if module.lifespan:
                    await stack.enter_async_context(_lifespan_of(module, module.lifespan))
        await stack.enter_async_context(running_jobs(self.app.state.jobs))


@asynccontextmanager
async def _lifespan_of(module: Module, lifespan: Lifespan) -> AsyncIterator[None]:
    """Run a module's lifespan. Raise `StartupError` that names the module if it fails at startup, unless the database
    is away; log the name if it fails at shutdown."""
    own = AsyncExitStack()
    try:
        await own.enter_async_context(_manager(lifespan))
    except Exception as error:
        if isinstance(error, DatabaseUnreachable) or (isinstance(error, PyMongoError) and as_unavailable(error)):
            raise
        reason = str(error) if isinstance(error, StartupError) else f"{type(error).__name__}: {error}"
        where = place_of(lifespan) or "the declaration"
        raise StartupError(f"The lifespan of the module {module.name} ({where}) failed. {reason}") from error
    try:
        yield
    finally:
        try:
            await own.aclose()
        except Exception:
            log.error("The lifespan of the module %s failed at shutdown", module.name)  # noqa: TRY400 (raised again)
            raise


def _manager(lifespan: Lifespan) -> AbstractAsyncContextManager[None]:
    manager = lifespan()
    if not isinstance(manager, AbstractAsyncContextManager):
        raise StartupError("It is no async context manager: decorate it with @asynccontextmanager.")
    return manager


def _reason(error: DatabaseUnreachable) -> str:
    """Return the driver's reason, such as an unknown host name, without its details on timeouts."""
    return str(error.__cause__).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
