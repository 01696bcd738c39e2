"""Running migrations, one runner at a time."""

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import NoReturn

from beanie import Document
from pymongo.errors import DuplicateKeyError, PyMongoError

from core.clock import utc_now
from core.database import Database, operation_timeout
from core.errors import StartupError
from core.migrations.applied import Migration, note, settle
from core.module import Module

# A runner that has not been heard of for so long is taken for dead.
LAPSE = timedelta(seconds=60)
STEP_SECONDS = 24 * 3600.0
_BEAT_SECONDS = 10.0
_POLL_SECONDS = 1.0

_LOCK = "runner"

Tell = Callable[[str], None]


class MigrationLock(Document):
    """Held by the one who runs migrations."""

    id: str = _LOCK  # type: ignore[assignment]  # there is but one
    owner: str
    expires_at: datetime

    class Settings:
        """Read by its key alone."""

        name = "migration_lock"


async def run(database: Database, modules: Sequence[Module], wait_seconds: float, tell: Tell) -> int:
    """Run what is pending, and answer how many migrations that were. Waits for another runner. Raises `StartupError`
    where the lock is not to be had in time, is lost, or a migration fails."""
    owner = f"{socket.gethostname()}, process {os.getpid()} ({uuid.uuid4().hex[:8]})"
    await database.bind([MigrationLock])
    await _take(owner, wait_seconds, tell)
    work = asyncio.create_task(_run_pending(database, modules, tell))
    keeper = asyncio.create_task(_keep(owner))
    try:
        await asyncio.wait({work, keeper}, return_when=asyncio.FIRST_COMPLETED)
        return await (work if work.done() else keeper)
    finally:
        for task in (work, keeper):
            task.cancel()
        await asyncio.gather(work, keeper, return_exceptions=True)
        with suppress(PyMongoError):  # then it lapses
            await MigrationLock.find({"_id": _LOCK, "owner": owner}).delete()


async def _run_pending(database: Database, modules: Sequence[Module], tell: Tell) -> int:
    due = await settle(database, modules)
    for migration in due:
        tell(f"Running {migration.name}")
        await _run_one(database, migration)
        await note(migration)
    return len(due)


async def _run_one(database: Database, migration: Migration) -> None:
    for step in migration.steps:
        await database.bind(step.models)
        try:
            with operation_timeout(STEP_SECONDS):
                await step.run(session=None)
        except Exception as error:
            raise StartupError(
                f"{migration.source} failed: {type(error).__name__}: {error}. What it has done stays; run it again."
            ) from error


async def _take(owner: str, wait_seconds: float, tell: Tell) -> None:
    deadline, told = monotonic() + wait_seconds, False
    while not await _try_to_take(owner):
        lock = await MigrationLock.get(_LOCK)
        if lock and monotonic() >= deadline:
            raise StartupError(f"Another runner is at work: {lock.owner}. Try again later.")
        if lock and not told:
            tell(f"Waiting for another runner: {lock.owner}")
            told = True
        await asyncio.sleep(_POLL_SECONDS)


async def _try_to_take(owner: str) -> bool:
    now = utc_now()
    try:
        await MigrationLock.get_motor_collection().update_one(
            {"_id": _LOCK, "expires_at": {"$lte": now}},
            {"$set": {"owner": owner, "expires_at": now + LAPSE}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True


async def _keep(owner: str) -> NoReturn:
    """Tell from time to time that the runner lives; raises `StartupError` once another one has the lock. A database
    that is away for a moment is asked again: the lock lapses late enough for that."""
    while True:
        await asyncio.sleep(_BEAT_SECONDS)
        with suppress(PyMongoError):
            result = await MigrationLock.get_motor_collection().update_one(
                {"_id": _LOCK, "owner": owner}, {"$set": {"expires_at": utc_now() + LAPSE}}
            )
            if not result.matched_count:
                raise StartupError("Another runner has taken over, as this one was not heard of for too long.")
