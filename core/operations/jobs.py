"""The modules' jobs: each is run again and again until the service stops, whatever happens in it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

from pymongo.errors import PyMongoError

from core.clock import utc_now
from core.database import Lease, as_unavailable
from core.metrics import Counter
from core.module import Every, place_of

log = logging.getLogger(__name__)

RUNS = Counter("job_runs_total", "Runs of the modules' jobs that ended by themselves.", ["job", "outcome"])

RETRY_SECONDS = 10.0
"""The pause after a failed run, unless the job's own pause is shorter."""

MAX_FAILURES = 3
"""After this many failed runs in a row, `/readyz` names the job until a run succeeds."""

STEADY_SECONDS = 30.0
"""An endless job that has been running for this long counts as successful."""

STOP_SECONDS = 5.0
"""How long a cancelled job may take to end. Then the service stops without it."""

_MIN_WAIT_SECONDS = 1.0


class JobRunner:
    """A job of a module in this process."""

    def __init__(self, module: str, job: Every) -> None:
        self.name = f"{module}/{job.name}"
        self.job = job
        self.failures = 0
        self._began: float | None = None

    def is_failing(self) -> bool:
        """Return whether the last runs have failed; for a job that runs once per service, in any process."""
        return self.failures >= MAX_FAILURES and not self._is_steady()

    async def run_forever(self) -> None:
        """Run the job until this task is cancelled."""
        while True:
            try:
                pause = await (self._run_if_due() if self.job.once_per_service else self._run())
            except Exception as error:  # noqa: BLE001 (logged: the job is run again, whatever the error)
                pause = self._failed(error)
            if _is_cancelled():  # the work did not let the cancellation through
                return
            await asyncio.sleep(pause)

    async def _run_if_due(self) -> float:
        """Run the job if no other process runs it or has run it a short time ago. Return the seconds until the next
        attempt."""
        lease = await Lease.try_acquire(self.name)
        if lease is None:
            return await self._until_due()
        self.failures, pause = lease.failures, 0.0
        try:
            pause = await lease.run_while_held(self._run)
            return pause
        finally:
            await lease.release(pause=pause, failures=self.failures)

    async def _until_due(self) -> float:
        lease = await Lease.get(self.name)
        if lease is None:
            return _MIN_WAIT_SECONDS
        self.failures = lease.failures
        return max(_MIN_WAIT_SECONDS, (lease.expires_at - utc_now()).total_seconds())

    async def _run(self) -> float:
        """Run the job once, and return the pause after it in seconds. Log its error, if any."""
        self._began = monotonic()
        try:
            await self._work()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise  # otherwise, something that the work awaited was cancelled
            return self._failed(error)
        finally:
            self._began = None
        RUNS.labels(self.name, "ok").inc()
        self.failures = 0
        return self.job.seconds

    async def _work(self) -> None:
        """Do the work in a task of its own, so that work that goes on after its cancellation can be left behind."""
        task = asyncio.create_task(self.job.work())
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)
            if not task.done():
                log.error(  # noqa: TRY400 (the error is not this one)
                    "The job %s (%s) did not end within %g s of its cancellation, and is left behind. "
                    "Raise asyncio.CancelledError again where the job catches it.",
                    self.name,
                    place_of(self.job.work),
                    STOP_SECONDS,
                )
                # Otherwise `asyncio.run` would wait for it (https://docs.python.org/3/library/asyncio-extending.html).
                asyncio._unregister_task(task)  # noqa: SLF001
                raise
        task.result()

    def _failed(self, error: BaseException) -> float:
        RUNS.labels(self.name, "failed").inc()
        outage = as_unavailable(error) if isinstance(error, PyMongoError) else None
        if outage:  # `/readyz` reports the database itself
            log.warning("The job %s failed: %s", self.name, outage.detail)
        else:
            log.error("The job %s failed", self.name, exc_info=error)
            self.failures = 1 if self._is_steady() else self.failures + 1
        return min(self.job.seconds, RETRY_SECONDS)

    def _is_steady(self) -> bool:
        return self.job.endless and self._began is not None and monotonic() - self._began >= STEADY_SECONDS


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def running_jobs(jobs: Sequence[JobRunner]) -> AsyncIterator[None]:
    """Run jobs while the context is open, and cancel them at its end."""
    tasks = [asyncio.create_task(job.run_forever()) for job in jobs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
