"""Tests of jobs: they are run again after any error, counted, visible in `/readyz`, and run once per service."""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

import core.database.lease
import core.operations.jobs
from core.clock import utc_now
from core.database.client import open_database
from core.database.lease import Lease
from core.errors import StartupError
from core.module import Every, Module
from core.operations.jobs import MAX_FAILURES, JobRunner, running_jobs
from core.settings import Settings
from tests.conftest import AppClient
from tests.core.stubs import stub
from tests.kit import run_job
from tests.measured import told

pytestmark = pytest.mark.anyio

TIMEOUT_SECONDS = 30.0
RUNS = "job_runs_total"

Work = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.operations.jobs, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(core.operations.jobs, "_MIN_WAIT_SECONDS", 0.001)


class Runs:
    """Work that raises these errors in turn, and then succeeds."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.count = 0
        self.counted = asyncio.Event()

    async def work(self) -> None:
        """Fail or succeed."""
        self.count += 1
        self.counted.set()
        if self.errors:
            raise self.errors.pop(0)

    async def until(self, count: int) -> None:
        """Wait for the beginning of this run."""
        while self.count < count:
            self.counted.clear()
            await asyncio.wait_for(self.counted.wait(), TIMEOUT_SECONDS)


def runner_of(work: Work, seconds: float = 0.001, **options: bool) -> JobRunner:
    return JobRunner("farm", Every(seconds, work, **options))


async def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 (no event signals it)
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), TIMEOUT_SECONDS)


async def fail() -> None:
    raise KeyError("hay")


async def succeed() -> None:
    pass


async def test_a_job_runs_again_and_again_and_is_counted() -> None:
    runs = Runs()
    before = told(RUNS, job="farm/work", outcome="ok")
    async with running_jobs([runner_of(runs.work)]):
        await runs.until(3)
    assert told(RUNS, job="farm/work", outcome="ok") >= before + 2


@pytest.mark.parametrize("error", [KeyError("hay"), asyncio.CancelledError(), TimeoutError(), AutoReconnect("away")])
async def test_a_job_runs_again_after_any_error(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    runs = Runs(error)
    before = told(RUNS, job="farm/work", outcome="failed")
    async with running_jobs([runner_of(runs.work)]):
        await runs.until(2)
    assert told(RUNS, job="farm/work", outcome="failed") == before + 1
    (record,) = [record for record in caplog.records if record.name == "core.operations.jobs"]
    assert "farm/work" in record.getMessage()
    outage = isinstance(error, AutoReconnect)
    assert (record.levelno, bool(record.exc_info)) == ((logging.WARNING, False) if outage else (logging.ERROR, True))


async def test_after_an_error_a_rare_job_does_not_wait_for_its_next_turn() -> None:
    runs = Runs(KeyError("hay"))
    async with running_jobs([runner_of(runs.work, 3600)]):
        await runs.until(2)


async def test_a_job_is_failing_after_several_failures_until_a_success() -> None:
    runs = Runs(*(KeyError("hay") for _ in range(MAX_FAILURES)))
    runner = runner_of(runs.work)
    seen = []
    for _ in range(MAX_FAILURES + 1):
        await runner._run()
        seen.append(runner.is_failing())
    assert seen == [False, False, True, False]


async def test_an_outage_of_the_database_does_not_count_against_a_job() -> None:
    runner = runner_of(Runs(*(AutoReconnect("away") for _ in range(MAX_FAILURES))).work)
    for _ in range(MAX_FAILURES):
        await runner._run()
    assert not runner.is_failing()


async def test_an_endless_job_that_runs_steadily_is_not_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = runner_of(asyncio.Event().wait, endless=True)  # type: ignore[arg-type]
    runner.failures = MAX_FAILURES
    async with running_jobs([runner]):
        await asyncio.sleep(0)
        assert runner.is_failing()
        monkeypatch.setattr(core.operations.jobs, "STEADY_SECONDS", 0)
        assert not runner.is_failing()


async def test_the_first_failure_after_a_steady_run_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.operations.jobs, "STEADY_SECONDS", 0)
    for endless, failures in ((True, 1), (False, MAX_FAILURES + 1)):
        runner = runner_of(fail, endless=endless)
        runner.failures = MAX_FAILURES
        await runner._run()
        assert runner.failures == failures


class Endless:
    """Work that waits until it is cancelled, and then raises this error, if any."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.began = asyncio.Event()

    async def work(self) -> None:
        """Wait to be cancelled."""
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.error is None:
                raise
            raise self.error from None


@pytest.mark.parametrize(("error", "failed"), [(None, 0), (KeyError("hay"), 1)])
async def test_jobs_are_cancelled_at_the_end(
    error: Exception | None, failed: int, caplog: pytest.LogCaptureFixture
) -> None:
    endless = Endless(error)
    before, tasks = told(RUNS), asyncio.all_tasks()
    async with running_jobs([runner_of(endless.work, 3600)]):
        await asyncio.wait_for(endless.began.wait(), TIMEOUT_SECONDS)
    assert asyncio.all_tasks() == tasks
    assert (told(RUNS) - before, caplog.text.count("KeyError")) == (failed, failed)


@pytest.mark.parametrize("once_per_service", [False, True])
def test_a_job_that_goes_on_after_its_cancellation_does_not_keep_the_service_from_stopping(
    once_per_service: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(core.operations.jobs, "STOP_SECONDS", 0.01)
    began: list[int] = []

    async def hold_on() -> None:
        while len(began) < 3:
            began.append(1)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def serve() -> None:
        async with leases(settings), running_jobs([runner_of(hold_on, once_per_service=once_per_service)]):
            await until(lambda: bool(began))

    with asyncio.Runner() as runner:
        runner.run(serve())

    (message,) = [record.getMessage() for record in caplog.records if record.name == "core.operations.jobs"]
    assert re.match(r"The job farm/hold_on \(\S+test_jobs\.py, line \d+\) did not end within 0\.01 s", message)
    assert len(began) == 2, "the event loop has not waited for it, either"


@asynccontextmanager
async def leases(settings: Settings) -> Any:
    async with open_database(settings) as database:
        await database.bind([Lease])
        yield


async def test_of_several_processes_only_one_runs_a_job_that_runs_once_per_service(settings: Settings) -> None:
    at_once: list[int] = []
    count = done = 0

    async def work() -> None:
        nonlocal count, done
        count += 1
        at_once.append(count)
        await asyncio.sleep(0.02)
        count -= 1
        done += 1

    async with leases(settings), running_jobs([runner_of(work, once_per_service=True) for _ in range(3)]):
        await until(lambda: done >= 4)
    assert set(at_once) == {1}


async def test_a_job_that_runs_once_per_service_pauses_in_all_processes(settings: Settings) -> None:
    runs = Runs()
    async with leases(settings):
        runners = [runner_of(runs.work, 3600, once_per_service=True) for _ in range(3)]
        waits = [await runner._run_if_due() for runner in runners]
    assert runs.count == 1
    assert all(3500 < wait <= 3600 for wait in waits)


async def test_failures_of_a_job_that_runs_once_per_service_are_known_to_all_processes(settings: Settings) -> None:
    runs = Runs(*(KeyError("hay") for _ in range(MAX_FAILURES)))
    one, other = (runner_of(runs.work, 3600, once_per_service=True) for _ in range(2))
    async with leases(settings):
        for runner in (one, other, one):
            await until_run(runner, runs)
        await other._until_due()
        assert [one.is_failing(), other.is_failing()] == [True, True]
        await until_run(other, runs)
        await one._run_if_due()
        assert [one.is_failing(), other.is_failing()] == [False, False]


async def until_run(runner: JobRunner, runs: Runs) -> None:
    """Let a runner wait until it may run its job."""
    before = runs.count
    while runs.count == before:  # noqa: ASYNC110 (the pause is the runner's own)
        await asyncio.sleep(min(0.005, await runner._run_if_due()))


async def test_a_lease_ends_by_the_clock_of_the_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with leases(settings):
        first = await Lease.try_acquire("farm/work")
        assert first
        monkeypatch.setattr(core.database.lease, "utc_now", lambda: utc_now() + 2 * core.database.lease.LAPSE)
        assert await Lease.try_acquire("farm/work") is None
        assert await Lease.find_held("farm/work")
        await first.release()
        assert await Lease.find_held("farm/work") is None
        assert await Lease.try_acquire("farm/work")


def test_leases_end_in_a_database_in_memory_too(open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.database.client.find_mongod", lambda *_: None)
    client = open_client([stub()], mongodb_url=None, allow_memory_db=True)

    async def use() -> None:
        first = await Lease.try_acquire("farm/work")
        assert first
        assert await Lease.try_acquire("farm/work") is None
        assert await Lease.find_held("farm/work")
        assert await first._set(core.database.lease.LAPSE)
        await first.release(failures=2)
        assert await Lease.find_held("farm/work") is None
        second = await Lease.try_acquire("farm/work")
        assert second
        assert second.failures == 2
        assert not await first._set(core.database.lease.LAPSE)

    assert client.portal
    client.portal.call(use)


async def test_a_job_cancelled_at_shutdown_is_taken_over_at_once(settings: Settings) -> None:
    endless = Endless()
    async with leases(settings):
        async with running_jobs([runner_of(endless.work, once_per_service=True)]):
            await asyncio.wait_for(endless.began.wait(), TIMEOUT_SECONDS)
            assert await Lease.try_acquire("farm/work") is None
        assert await Lease.try_acquire("farm/work")


async def test_a_job_stops_when_another_process_has_taken_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(core.database.lease, "RENEW_SECONDS", 0.001)
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with leases(settings), running_jobs([runner_of(work, once_per_service=True)]):
        await asyncio.wait_for(began.wait(), TIMEOUT_SECONDS)
        taken = {"owner": "another", "expires_at": utc_now() + timedelta(seconds=60)}
        await Lease.find_one({"_id": "farm/work"}).update({"$set": taken})
        await asyncio.wait_for(cancelled.wait(), TIMEOUT_SECONDS)
        await until(lambda: "The job farm/work failed" in caplog.text)


@pytest.mark.parametrize("step", ["try_acquire", "release"])
async def test_a_job_runs_again_after_any_error_of_its_lease(
    step: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runs, original = Runs(), getattr(Lease, step)
    errors = [OverflowError("date value out of range")]

    async def fail_once(*arguments: Any, **named: Any) -> Any:
        if errors and step == "try_acquire":
            raise errors.pop()
        result = await original(*arguments, **named)
        if errors:
            raise errors.pop()
        return result

    async with leases(settings):
        monkeypatch.setattr(Lease, step, fail_once)
        async with running_jobs([runner_of(runs.work, once_per_service=True)]):
            await runs.until(2)
    assert caplog.text.count("The job farm/work failed") == 1


def test_a_failing_job_is_named_by_readyz(open_client: AppClient) -> None:
    client = open_client([stub(jobs=(Every(0.001, fail), Every(3600, succeed)))])
    client.portal.call(until, client.app.state.jobs[0].is_failing)  # type: ignore[union-attr, attr-defined]
    answer = client.get("/readyz")
    assert answer.status_code == 200, "no load balancer takes the service away from its users"
    assert answer.json() == {"status": "degraded", "checks": {"database": "ok", "stub/fail": "failing"}}


def test_a_job_can_be_run_in_a_test(open_client: AppClient) -> None:
    client = open_client([stub(jobs=(Every(3600, succeed), Every(3600, fail)))])
    run_job(client, succeed)
    with pytest.raises(KeyError, match="hay"):
        run_job(client, fail)
    with pytest.raises(AssertionError, match="declares this job"):
        run_job(client, Runs().work)


def test_two_jobs_with_the_same_name_are_refused() -> None:
    with pytest.raises(StartupError, match=r"\bone\b.*\bfail\b"):
        Module(name="one", jobs=(Every(1, fail), Every(2, fail)))
