"""Tests of the fairness and the limits of the hashing queue."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from core.errors import TooManyRequests, Unavailable
from modules.auth.hashing_queue import FlowLimits, HashingQueue

pytestmark = pytest.mark.anyio


class BlockedQueue:
    """A queue with one thread, which is blocked until `release`. `done` lists the flows of the jobs as they ran."""

    def __init__(self, places: int) -> None:
        self.queue = HashingQueue(1)
        self.places = places
        self.done: list[str] = []
        self._release = threading.Event()

    async def add(
        self, flow: str, *, client: str = "", max_per_flow: int = 100, max_per_client: int = 100
    ) -> asyncio.Task[None]:
        """Start a job, and let the queue accept or refuse it."""
        limits = FlowLimits(flow, max_per_flow, client or flow, max_per_client)
        task = asyncio.create_task(self.queue.run(self._job(flow), limits, self.places))
        await asyncio.sleep(0)
        return task

    async def release(self, *tasks: asyncio.Task[None]) -> list[BaseException | None]:
        """Unblock the thread, and return the result or the exception of each job."""
        self._release.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    def _job(self, name: str) -> Callable[[], None]:
        def work() -> None:
            assert self._release.wait(60)
            self.done.append(name)

        return work


@pytest.fixture
async def harness() -> AsyncIterator[BlockedQueue]:
    harness = BlockedQueue(places=12)
    yield harness
    harness._release.set()


async def test_a_new_flow_is_served_before_the_next_job_of_a_flood(harness: BlockedQueue) -> None:
    flood = [await harness.add("flood") for _ in range(6)]
    others = [await harness.add("school"), await harness.add("home"), await harness.add("school")]

    await harness.release(*flood, *others)

    assert harness.done == ["flood", "school", "home", "flood", "school", *["flood"] * 4]


async def test_a_long_series_of_new_flows_does_not_starve_others() -> None:
    harness = BlockedQueue(places=100)
    tasks = [await harness.add("school") for _ in range(3)]
    strangers: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()

    async def arrive(number: int) -> None:
        limits = FlowLimits(f"stranger {number}", 100, f"stranger {number}", 100)

        def work() -> None:
            """Add a job of another new flow before this job ends."""
            harness.done.append("stranger")
            if number < 20:
                asyncio.run_coroutine_threadsafe(arrive(number + 1), loop).result(60)

        strangers.append(asyncio.create_task(harness.queue.run(work, limits, 100)))
        await asyncio.sleep(0)

    await arrive(0)
    await harness.release(*tasks)
    while len(strangers) <= 20:
        await asyncio.gather(*strangers)
    await asyncio.gather(*strangers)

    last = max(place for place, flow in enumerate(harness.done) if flow == "school")
    assert harness.done[:last].count("stranger") < 10


async def test_a_holder_is_refused_above_its_limit(harness: BlockedQueue) -> None:
    taken = [await harness.add("flood", max_per_client=4) for _ in range(5)]
    other = await harness.add("school", max_per_client=4)

    results = await harness.release(*taken, other)

    assert results[:4] == [None] * 4
    assert isinstance(results[4], TooManyRequests)
    assert int(results[4].headers["Retry-After"]) > 0
    assert results[5] is None
    assert (await harness.release(await harness.add("flood", max_per_client=4))) == [None], "places are free again"


async def test_clients_of_one_flow_share_its_turns_and_places(harness: BlockedQueue) -> None:
    joined = [
        await harness.add("join", client=f"c{number}", max_per_flow=3, max_per_client=2) for number in (1, 1, 1, 2, 3)
    ]
    signing_in = [await harness.add("a"), await harness.add("b")]

    results = await harness.release(*joined, *signing_in)

    assert [type(result) for result in results] == [type(None)] * 2 + [TooManyRequests, type(None), Unavailable] + [
        type(None)
    ] * 2
    assert harness.done == ["join", "a", "b", "join", "join"]


async def test_a_full_queue_drops_jobs_of_the_largest_flow(harness: BlockedQueue) -> None:
    floods = [await harness.add(f"flood {number % 3}") for number in range(12)]
    others = [await harness.add(f"school {number}") for number in range(3)]

    results = await harness.release(*floods, *others)

    assert results[12:] == [None] * 3
    assert [type(result) for result in results[:12]].count(Unavailable) == 3
    assert harness.done[1:4] != ["flood 0"] * 3


async def test_a_full_queue_of_equal_flows_refuses_a_new_job(harness: BlockedQueue) -> None:
    tasks = [await harness.add(f"address {number}") for number in range(13)]

    results = await harness.release(*tasks)

    assert [type(result) for result in results] == [type(None)] * 12 + [Unavailable]


async def test_a_cancelled_job_frees_its_place(harness: BlockedQueue) -> None:
    tasks = [await harness.add(f"address {number}") for number in range(12)]
    tasks[5].cancel()
    await asyncio.gather(tasks[5], return_exceptions=True)
    late = await harness.add("late")

    await harness.release(*tasks[:5], *tasks[6:], late)

    assert harness.done == [f"address {number}" for number in range(12) if number != 5] + ["late"]


async def test_a_failed_job_raises_its_error_and_frees_its_place(harness: BlockedQueue) -> None:
    limits = FlowLimits("a", 1, "a", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await harness.queue.run(lambda: 1 // 0, limits, 1)
