"""Execution of migrations by one runner at a time."""

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
from core.database import Database, collection, operation_timeout
from core.errors import StartupError
from core.migrations.applied import Migration, mark_applied, mark_unneeded
from core.module import Module

# The lock of a runner that has not renewed it for this long may be taken over.
LAPSE = timedelta(seconds=60)
STEP_SECONDS = 24 * 3600.0
_RENEW_SECONDS = 10.0
_POLL_SECONDS = 1.0

_LOCK = "runner"

Report = Callable[[str], None]


class MigrationLock(Document):
    """The lock that the process running migrations holds."""

    id: str = _LOCK  # type: ignore[assignment]  # there is a single lock
    owner: str
    expires_at: datetime

    class Settings:
        """Needs no index: it is read by `_id` only."""

        name = "migration_lock"


async def run(database: Database, modules: Sequence[Module], wait_seconds: float, report: Report) -> int:
    """Run the pending migrations, and return their number. Wait up to `wait_seconds` for another runner. `report` is
    called with each line of progress.

    Raise `StartupError` if the lock is not free in time, if it is lost, or if a migration fails.
    """
    owner = f"{socket.gethostname()}, process {os.getpid()} ({uuid.uuid4().hex[:8]})"
    await database.bind([MigrationLock])
    await _acquire(owner, wait_seconds, report)
    work = asyncio.create_task(_run_pending(database, modules, report))
    renewal = asyncio.create_task(_renew(owner))
    try:
        await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
        return await (work if work.done() else renewal)
    finally:
        for task in (work, renewal):
            task.cancel()
        await asyncio.gather(work, renewal, return_exceptions=True)
        with suppress(PyMongoError):  # the lock expires in this case
            await MigrationLock.find({"_id": _LOCK, "owner": owner}).delete()


async def _run_pending(database: Database, modules: Sequence[Module], report: Report) -> int:
    due = await mark_unneeded(database, modules)
    for migration in due:
        report(f"Running {migration.name}")
        await _run_one(database, migration)
        await mark_applied(migration)
    return len(due)


async def _run_one(database: Database, migration: Migration) -> None:
    for step in migration.steps:
        await database.bind(step.models)
        try:
            with operation_timeout(STEP_SECONDS):
                await step.run(session=None)
        except Exception as error:
            raise StartupError(
                f"{migration.source} failed: {type(error).__name__}: {error}. Its changes so far are kept; run it "
                "again."
            ) from error


async def _acquire(owner: str, wait_seconds: float, report: Report) -> None:
    deadline, reported = monotonic() + wait_seconds, False
    while not await _try_acquire(owner):
        lock = await MigrationLock.get(_LOCK)
        if lock and monotonic() >= deadline:
            raise StartupError(f"Another runner is running migrations: {lock.owner}. Try again later.")
        if lock and not reported:
            report(f"Waiting for another runner: {lock.owner}")
            reported = True
        await asyncio.sleep(_POLL_SECONDS)


async def _try_acquire(owner: str) -> bool:
    now = utc_now()
    try:
        await collection(MigrationLock).update_one(
            {"_id": _LOCK, "expires_at": {"$lte": now}},
            {"$set": {"owner": owner, "expires_at": now + LAPSE}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True


async def _renew(owner: str) -> NoReturn:
    """Renew the lock periodically. Raise `StartupError` once another runner holds it.

    Database errors are ignored and the renewal is retried: the lock expires late enough for a short outage.
    """
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        with suppress(PyMongoError):
            result = await collection(MigrationLock).update_one(
                {"_id": _LOCK, "owner": owner}, {"$set": {"expires_at": utc_now() + LAPSE}}
            )
            if not result.matched_count:
                raise StartupError("Another runner has taken over, because this one did not renew its lock in time.")
