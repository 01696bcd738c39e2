"""Tests of the batcher: while a batch runs, further requests wait and form the next one."""

import asyncio
from collections.abc import Awaitable, Sequence

import pymongo
import pytest
from pymongo._csot import get_timeout

from core.database.batcher import Batcher

pytestmark = pytest.mark.anyio

Task = asyncio.Task[str]


class Work:
    """Work whose runs block until a test releases them. It records the requests of each run."""

    def __init__(self, **options: float) -> None:
        self.requests: list[list[str]] = []
        self.released: list[asyncio.Event] = []
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self.batched: Batcher[str, str] = Batcher(self.do, **options)  # type: ignore[arg-type]

    async def do(self, requests: Sequence[str]) -> list[str]:
        run = len(self.requests)
        self.requests.append(list(requests))
        self.released.append(asyncio.Event())
        self.started.put_nowait(run)
        await self.released[run].wait()
        if "bad" in requests:
            raise ValueError(f"run {run}")
        return [f"{request}: run {run}" for request in requests]

    async def wait_for_start(self, run: int) -> None:
        """Wait until the run with this number has started."""
        async with asyncio.timeout(30):
            while await self.started.get() != run:
                pass

    async def request(self, *requests: str, key: str | None = None) -> list[Task]:
        """Return tasks that have made these requests, in this order; the first one before the others arrive."""
        return [
            *await self.request_together(*requests[:1], key=key),
            *await self.request_together(*requests[1:], key=key),
        ]

    async def request_together(self, *requests: str, key: str | None = None) -> list[Task]:
        """Return tasks that have made these requests in one round of the event loop."""
        tasks = [asyncio.create_task(self.batched(request, key)) for request in requests]
        await run_ready_tasks()
        return tasks


async def run_ready_tasks() -> None:
    """Let all tasks run that can run now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def results(tasks: Sequence[Awaitable[str]]) -> list[str]:
    async with asyncio.timeout(30):
        return [str(found) for found in await asyncio.gather(*tasks, return_exceptions=True)]


async def test_a_single_request_starts_at_once() -> None:
    work = Work()
    tasks = await work.request("a")
    assert work.requests == [["a"]]
    work.released[0].set()
    assert await results(tasks) == ["a: run 0"]


async def test_requests_that_arrive_meanwhile_run_in_one_batch_and_each_gets_its_own_result() -> None:
    work = Work()
    tasks = await work.request("a", "b", "c", "b")
    assert work.requests == [["a"]]
    work.released[0].set()
    await work.wait_for_start(1)
    assert work.requests == [["a"], ["b", "c", "b"]]
    work.released[1].set()
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 1", "b: run 1"]


async def test_requests_of_one_round_of_the_event_loop_run_in_one_batch() -> None:
    work = Work()
    tasks = await work.request_together("a", "b", "c")
    await work.wait_for_start(0)
    assert work.requests == [["a", "b", "c"]]
    work.released[0].set()
    assert await results(tasks) == ["a: run 0", "b: run 0", "c: run 0"]
    assert not work.batched._groups


@pytest.mark.parametrize("gone", [0, 2])
async def test_a_request_of_a_batch_that_is_cancelled_does_not_cancel_the_others(gone: int) -> None:
    work = Work()
    tasks = await work.request_together("a", "b", "c")
    await work.wait_for_start(0)
    tasks.pop(gone).cancel()
    await run_ready_tasks()
    work.released[0].set()
    assert all(result.endswith("run 0") for result in await results(tasks))


async def test_a_request_is_not_lost_when_the_timer_starts_the_others_before_it() -> None:
    work = Work()
    first = asyncio.create_task(work.batched("a"))
    second = asyncio.create_task(work.batched("b"))

    def end_timer() -> None:
        """Do what the timer does after the event loop has paused for longer than `max_wait`."""
        work.batched._start_next(None, work.batched._groups[None])

    asyncio.get_running_loop().call_soon(end_timer)
    await work.wait_for_start(1)
    for number in range(2):
        work.released[number].set()
    assert sorted(await results([first, second])) == ["a: run 0", "b: run 1"]


async def test_a_client_that_just_got_its_result_can_join_the_next_batch() -> None:
    work = Work()

    async def request_twice() -> list[str]:
        return [await work.batched("a"), await work.batched("again")]

    first = asyncio.create_task(request_twice())
    await run_ready_tasks()
    second = await work.request("b")
    work.released[0].set()
    await work.wait_for_start(1)
    assert work.requests == [["a"], ["b", "again"]]
    work.released[1].set()
    assert [await first, *await results(second)] == [["a: run 0", "again: run 1"], "b: run 1"]


async def test_a_result_is_never_older_than_its_request() -> None:
    work = Work()
    first = await work.request("a")
    late = await work.request("a")
    work.released[0].set()
    await work.wait_for_start(1)
    later_still = await work.request("a")
    work.released[1].set()
    await work.wait_for_start(2)
    work.released[2].set()
    assert await results([*first, *late, *later_still]) == ["a: run 0", "a: run 1", "a: run 2"]


async def test_an_error_reaches_every_request_of_the_batch_and_no_other() -> None:
    work = Work()
    tasks = await work.request("a", "bad", "b")
    work.released[0].set()
    await work.wait_for_start(1)
    tasks += await work.request("c")
    work.released[1].set()
    await work.wait_for_start(2)
    work.released[2].set()
    assert await results(tasks) == ["a: run 0", "run 1", "run 1", "c: run 2"]


async def test_the_next_batch_runs_after_a_failed_single_request() -> None:
    work = Work()
    tasks = await work.request("bad", "b")
    work.released[0].set()
    await work.wait_for_start(1)
    work.released[1].set()
    assert await results(tasks) == ["run 0", "b: run 1"]


@pytest.mark.parametrize("gone", [0, 1])
async def test_a_cancelled_request_does_not_block_others(gone: int) -> None:
    work = Work()
    tasks = await work.request("a", "b", "c")
    tasks.pop(gone).cancel()
    work.released[0].set()
    await work.wait_for_start(1)
    work.released[1].set()
    assert len(await results(tasks)) == 2
    (again,) = await work.request("d")
    work.released[2].set()
    assert await again == "d: run 2"


async def test_requests_wait_at_most_max_wait_for_a_hanging_batch() -> None:
    work = Work(max_wait=0.01)
    tasks = await work.request("a", "b")
    await work.wait_for_start(1)
    tasks += await work.request("c")
    await work.wait_for_start(2)
    for number in (1, 2, 0):  # the hanging run may end last
        work.released[number].set()
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 2"]
    (again,) = await work.request("d")
    work.released[3].set()
    assert await again == "d: run 3"


async def test_requests_with_different_keys_do_not_wait_for_each_other() -> None:
    work = Work()
    left = await work.request("a", "b", key="left")
    right = await work.request("c", key="right")
    assert work.requests == [["a"], ["c"]]
    for number in range(2):
        work.released[number].set()
    await work.wait_for_start(2)
    work.released[2].set()
    assert await results([*left, *right]) == ["a: run 0", "b: run 2", "c: run 1"]
    assert not work.batched._groups


async def test_a_batch_has_at_most_max_batch_size_requests() -> None:
    work = Work(max_batch_size=2)
    tasks = await work.request("a", "b", "c", "d")
    for number in range(3):
        await work.wait_for_start(number)
        work.released[number].set()
    assert work.requests == [["a"], ["b", "c"], ["d"]]
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 1", "d: run 2"]


async def test_the_database_timeout_of_one_request_does_not_apply_to_others() -> None:
    found: list[float | None] = []
    go = asyncio.Event()

    async def do(requests: Sequence[str]) -> Sequence[str]:
        found.append(get_timeout())
        await go.wait()
        return requests

    batched = Batcher(do)

    async def request(seconds: float) -> str:
        with pymongo.timeout(seconds):
            return await batched("a")

    tasks = [asyncio.create_task(request(7))]
    await run_ready_tasks()
    tasks += [asyncio.create_task(request(seconds)) for seconds in (8, 9)]
    await run_ready_tasks()
    go.set()
    await asyncio.gather(*tasks)
    assert found == [7, None]
