"""The start: the database in the shape that the modules know, waited for if need be; and a failed start, told in one
line."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

from fastapi import FastAPI

from core.database import Database, Outage, open_database, translate_driver_errors
from core.errors import DatabaseUnreachable, StartupError
from core.migrations import check
from core.module import Module
from core.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Between two tries to reach the database, each of which takes as long as a command may."""

FAILED = 3
"""The exit status of a server that could not start, which uvicorn has, too: it starts no such worker again."""


def open_service(
    settings: Settings, modules: Sequence[Module], outage: Outage | None = None
) -> AbstractAsyncContextManager[Database]:
    """The database with the modules' documents bound to it, their indexes made. Raises `StartupError`, also where the
    database is older or newer than the code."""

    async def prepare(database: Database) -> None:
        await check(database, modules, settings.migration_wait_seconds)
        await database.bind([document for module in modules for document in module.documents])

    return open_database(settings, prepare, outage)


@asynccontextmanager
async def running(app: FastAPI, settings: Settings, modules: Sequence[Module], outage: Outage) -> AsyncIterator[None]:
    """The time in which the service runs. Where the database does not answer, it begins all the same, in an outage that
    ends when the database is there and has been prepared.

    Raises `StartupError` for what no waiting cures; if that shows after waiting only, the process ends.
    """
    service = _Service(app, settings, modules, outage)
    work = asyncio.create_task(service.run())
    begun = asyncio.create_task(service.begun.wait())
    try:
        await asyncio.wait({work, begun}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
        yield
    finally:
        begun.cancel()
        service.over.set()
        if outage.unprepared or not service.begun.is_set():
            work.cancel()
        with suppress(asyncio.CancelledError):
            await work


class _Service:
    """The database and what the modules do beside it, all in one task, as waiting for them may last."""

    def __init__(self, app: FastAPI, settings: Settings, modules: Sequence[Module], outage: Outage) -> None:
        self.app = app
        self.settings = settings
        self.modules = modules
        self.outage = outage
        self.begun = asyncio.Event()
        self.over = asyncio.Event()

    async def run(self) -> None:
        try:
            while not await self._try_to_serve():  # noqa: ASYNC110 (no event tells that the database is there)
                await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:
            if not self.outage.unprepared:
                raise
            traced = not isinstance(error, StartupError)
            log.error("The service cannot start. %s", error, exc_info=traced)  # noqa: TRY400 (the reason is in the text)
            # Not raised here, in a task: it would be raised once more by whoever awaits that.
            asyncio.get_running_loop().call_soon(sys.exit, FAILED)

    async def _try_to_serve(self) -> bool:
        """Serve until it is over, and answer that this was done; or tell that the database is still away."""
        try:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self.outage.unprepared = False
                self.begun.set()
                await self.over.wait()
        except DatabaseUnreachable as error:
            log.warning("Waiting for the database. %s (%s)", error, _reason(error))
            self.outage.unprepared = True
            self.begun.set()
            return False
        return True

    async def _open(self, stack: AsyncExitStack) -> None:
        database = await stack.enter_async_context(open_service(self.settings, self.modules, self.outage))
        self.app.state.database = database
        with translate_driver_errors(self.settings, database.description):
            for module in self.modules:
                if module.lifespan:
                    await stack.enter_async_context(module.lifespan())


def _reason(error: DatabaseUnreachable) -> str:
    """What the driver says of the server, such as that there is no host of that name."""
    return str(error.__cause__).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
