"""Tests of the driver's thread pool: it uses one thread while that is enough, and more as soon as work stalls."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from threading import Event, current_thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo.errors import WaitQueueTimeoutError

from core.database.driver_threads import DriverThreads, long_running, queue_timeout
from core.database.errors import is_outage

MAX_THREADS = 4


def run(work: Callable[[DriverThreads], Any], max_wait: float = 0.002) -> Any:
    """Run the work in an event loop, with a timeout."""

    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work(DriverThreads(MAX_THREADS, max_wait))

    return asyncio.run(bounded())


def in_thread(threads: DriverThreads, call: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().run_in_executor(threads, call, *arguments)


def thread_name() -> str:
    return current_thread().name


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (the threads set no event)
        await asyncio.sleep(0.001)


def test_fast_calls_run_in_one_thread() -> None:
    async def work(threads: DriverThreads) -> list[str]:
        return [await in_thread(threads, thread_name) for _ in range(200)]

    assert set(run(work, max_wait=10)) == {"mongodb-1"}


def test_a_slow_call_does_not_block_other_calls() -> None:
    async def work(threads: DriverThreads) -> None:
        end = Event()
        slow = in_thread(threads, end.wait)
        names = {await in_thread(threads, thread_name) for _ in range(100)}
        assert "mongodb-1" not in names, "this thread is still busy"
        assert not slow.done()
        end.set()
        await slow

    run(work)


def test_calls_wait_when_all_threads_are_busy() -> None:
    async def work(threads: DriverThreads) -> None:
        end = Event()
        begun = list[str]()

        def slow() -> None:
            begun.append(thread_name())
            end.wait()

        calls = [in_thread(threads, slow) for _ in range(MAX_THREADS + 3)]
        await until(lambda: len(begun) == MAX_THREADS)
        assert len(set(begun)) == MAX_THREADS
        # Longer than another thread would take to start.
        done, _ = await asyncio.wait(calls, timeout=0.1)
        assert (done, len(begun)) == (set(), MAX_THREADS)
        end.set()
        await asyncio.gather(*calls)
        assert len(begun) == MAX_THREADS + 3

    run(work)


def test_extra_threads_become_idle_and_are_reused() -> None:
    async def work(threads: DriverThreads) -> None:
        for _ in range(3):
            end = Event()
            calls = [in_thread(threads, end.wait) for _ in range(MAX_THREADS)]
            await until(lambda: threads._working == MAX_THREADS)
            end.set()
            await asyncio.gather(*calls)
            # Two threads may have waited for the same call; the one that did not get it becomes idle after its next.
            while threads._working > 1:
                await in_thread(threads, int)
        assert threads._threads == MAX_THREADS

    run(work)


def test_long_running_calls_have_a_separate_pool() -> None:
    async def work(threads: DriverThreads) -> None:
        end = Event()

        def waits() -> str:
            end.wait()
            return thread_name()

        async def waiting() -> str:
            long_running.set(True)
            name: str = await in_thread(threads, waits)
            return name

        held = [asyncio.create_task(waiting(), context=copy_context()) for _ in range(MAX_THREADS)]
        await asyncio.sleep(0)
        assert not (await in_thread(threads, thread_name)).startswith("mongodb-long-running")
        end.set()
        assert all(name.startswith("mongodb-long-running") for name in await asyncio.gather(*held))

    run(work)


def test_errors_are_raised_to_the_caller() -> None:
    async def work(threads: DriverThreads) -> None:
        with pytest.raises(ZeroDivisionError):
            await in_thread(threads, lambda: 1 // 0)
        assert await in_thread(threads, int, "7") == 7

    run(work)


def test_a_cancelled_call_is_not_started() -> None:
    async def work(threads: DriverThreads) -> None:
        end, begun = Event(), Event()
        held = [in_thread(threads, end.wait) for _ in range(MAX_THREADS)]
        await until(lambda: threads._working == MAX_THREADS and threads._work.empty())
        unwanted = in_thread(threads, begun.set)
        unwanted.cancel()
        await asyncio.sleep(0)  # lets the cancellation reach the thread's future
        end.set()
        await asyncio.gather(*held)
        await in_thread(threads, int)
        assert not begun.is_set()

    run(work)


def test_a_call_that_waited_too_long_fails_and_is_not_started() -> None:
    async def work(threads: DriverThreads) -> None:
        end, begun = Event(), Event()
        held = [in_thread(threads, end.wait) for _ in range(MAX_THREADS)]
        await until(lambda: threads._working == MAX_THREADS and threads._work.empty())
        queue_timeout.set(0)
        late = in_thread(threads, begun.set)
        queue_timeout.set(60)
        in_time = in_thread(threads, thread_name)
        end.set()
        with pytest.raises(WaitQueueTimeoutError) as raised:
            await late
        assert is_outage(raised.value), "clients get 503"
        assert (await in_time).startswith("mongodb-")
        assert not begun.is_set()
        await asyncio.gather(*held)

    run(work)


def test_the_pool_can_be_used_from_a_later_event_loop() -> None:
    threads = DriverThreads(MAX_THREADS, max_wait=10)

    async def work() -> str:
        name: str = await in_thread(threads, thread_name)
        return name

    assert [asyncio.run(work()) for _ in range(3)] == ["mongodb-1"] * 3


SLOW = {"$function": {"body": "function() { sleep(1500); return 1; }", "args": [], "lang": "js"}}


def test_a_slow_query_does_not_block_other_requests(client: TestClient) -> None:
    async def ask() -> None:
        database = client.app.state.database  # type: ignore[attr-defined]
        pipeline = [{"$documents": [{"n": 1}]}, {"$set": {"n": SLOW}}]
        slow = asyncio.ensure_future(database._client.admin.aggregate(pipeline).to_list(None))
        for _ in range(100):
            await database.ping()
        assert not slow.done()
        assert await slow == [{"n": 1}]

    assert client.portal
    client.portal.call(ask)
