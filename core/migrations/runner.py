"""Execution of migrations by one runner at a time."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic

from core.database import Database, Lease, LeaseLost, operation_timeout
from core.errors import StartupError
from core.migrations.applied import Migration, mark_applied, mark_unneeded
from core.module import Module

STEP_SECONDS = 24 * 3600.0
_POLL_SECONDS = 1.0

_LEASE = "migrations"

Report = Callable[[str], None]


async def run(database: Database, modules: Sequence[Module], wait_seconds: float, report: Report) -> int:
    """Run the pending migrations, and return their number. Wait up to `wait_seconds` for another runner. `report` is
    called with each line of progress.

    Raise `StartupError` if the lease is not free in time, if it is lost, or if a migration fails.
    """
    await database.bind([Lease])
    lease = await _acquire(wait_seconds, report)
    try:
        return await lease.run_while_held(partial(_run_pending, database, modules, report))
    except LeaseLost as lost:
        raise StartupError("Another runner has taken over, because this one did not renew its lease in time.") from lost
    finally:
        await lease.release()


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


async def _acquire(wait_seconds: float, report: Report) -> Lease:
    deadline, reported = monotonic() + wait_seconds, False
    while (lease := await Lease.try_acquire(_LEASE)) is None:
        held = await Lease.find_held(_LEASE)
        if held and monotonic() >= deadline:
            raise StartupError(f"Another runner is running migrations: {held.owner}. Try again later.")
        if held and not reported:
            report(f"Waiting for another runner: {held.owner}")
            reported = True
        await asyncio.sleep(_POLL_SECONDS)
    return lease
