"""The embedded server for as long as an app needs it."""

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

# Longer than an app takes to start again when its code is reloaded.
_GRACE = 5.0
_PATIENCE = 30.0


@dataclass(frozen=True)
class Embedded:
    """A running server: where to reach it, the folder of its data files, its version, and the room on its disk."""

    url: str
    data: Path
    version: str
    room: DiskSpace


@asynccontextmanager
async def run_embedded(
    mongod: Mongod, data_dir: Path, *, grace: float = _GRACE, patience: float = _PATIENCE
) -> AsyncIterator[Embedded]:
    """A server on `data_dir` that takes writes, shared with every process that asks for the same folder.

    It stops `grace` seconds after the last of them has gone. Raises `StartupError` when it cannot run, at the latest
    after `patience` seconds. Should mongod or its supervisor die meanwhile, it is back about two seconds later.
    """
    folder = prepare(data_dir, mongod.series)
    keeper = SupervisorClient(mongod, folder, grace)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(patience):
                await stack.enter_async_context(shared_lease(folder.root / supervisor.LEASE))
                await keeper.start()
        except TimeoutError as error:
            raise StartupError(_too_late(folder, keeper, patience)) from error
        except OSError as error:
            raise StartupError(_unusable(folder, error)) from error
        await stack.enter_async_context(_watching(keeper))
        yield Embedded(url=url(folder.socket), data=folder.data, version=mongod.version, room=keeper.room)


@asynccontextmanager
async def _watching(keeper: SupervisorClient) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.watch())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _too_late(folder: DataFolder, keeper: SupervisorClient, patience: float) -> str:
    problem = keeper.last_problem or f"Its log, {folder.log}, may say why."
    return f"MongoDB did not get ready within {patience:g} seconds. {problem}"


def _unusable(folder: DataFolder, error: OSError) -> str:
    return (
        f"The data folder {folder.root} cannot be used: {error.filename or ''} {error.strerror}. Set DATA_DIR to "
        "another folder."
    )
