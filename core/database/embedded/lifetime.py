"""The lifetime of the embedded server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.database.embedded import supervisor
from core.database.embedded.address import url
from core.database.embedded.data_folder import DataFolder, prepare
from core.database.embedded.disk_space import DiskSpace
from core.database.embedded.lease import shared_lease
from core.database.embedded.mongod_binary import Mongod
from core.database.embedded.supervisor_client import SupervisorClient
from core.errors import StartupError

# Longer than an app takes to restart when its code is reloaded.
_GRACE = 5.0
_START_TIMEOUT = 30.0


@dataclass(frozen=True)
class Embedded:
    """A running server: its URL, the folder of its data files, its version, and its disk space."""

    url: str
    data: Path
    version: str
    disk_space: DiskSpace


@asynccontextmanager
async def run_embedded(
    mongod: Mongod, data_dir: Path, *, grace: float = _GRACE, start_timeout: float = _START_TIMEOUT
) -> AsyncIterator[Embedded]:
    """Run a writable server on `data_dir`, shared by all processes that use the same folder.

    The server stops `grace` seconds after the last of these processes has exited. Raise `StartupError` if it cannot
    run, after `start_timeout` seconds at the latest. If mongod or its supervisor dies later, both are back after about
    two seconds.
    """
    folder = prepare(data_dir, mongod.series)
    client = SupervisorClient(mongod, folder, grace)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(start_timeout):
                await stack.enter_async_context(shared_lease(folder.root / supervisor.LEASE))
                await client.start()
        except TimeoutError as error:
            raise StartupError(_timed_out(folder, client, start_timeout)) from error
        except OSError as error:
            raise StartupError(_unusable(folder, error)) from error
        await stack.enter_async_context(_watching(client))
        yield Embedded(url=url(folder.socket), data=folder.data, version=mongod.version, disk_space=client.disk_space)


@asynccontextmanager
async def _watching(client: SupervisorClient) -> AsyncIterator[None]:
    task = asyncio.create_task(client.watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _timed_out(folder: DataFolder, client: SupervisorClient, timeout: float) -> str:
    problem = client.last_problem or f"See its log, {folder.log}."
    return f"MongoDB was not ready after {timeout:g} seconds. {problem}"


def _unusable(folder: DataFolder, error: OSError) -> str:
    return (
        f"The data folder {folder.root} cannot be used: {error.filename or ''} {error.strerror}. Set DATA_DIR to "
        "another folder."
    )
