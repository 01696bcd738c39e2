"""Turns and shares in the queue for hashing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from core.errors import TooManyRequests, Unavailable
from modules.auth.hashing_queue import HashingQueue, Share

pytestmark = pytest.mark.anyio


class Line:
    """A queue with one thread, which is busy until `release`; `done` names the jobs in the order of their work."""

    def __init__(self, places: int) -> None:
        self.queue = HashingQueue(1)
        self.places = places
        self.done: list[str] = []
        self._release = threading.Event()

    async def add(self, flow: str, *, holder: str = "", flow_places: int = 100, most: int = 100) -> asyncio.Task[None]:
        """Start a job and let it take its place, or be refused."""
        share = Share(flow, flow_places, holder or flow, most)
        task = asyncio.create_task(self.queue.run(self._job(flow), share, self.places))
        await asyncio.sleep(0)
        return task

    async def release(self, *tasks: asyncio.Task[None]) -> list[BaseException | None]:
        """Let the work be done; return how each job ended."""
        self._release.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    def _job(self, name: str) -> Callable[[], None]:
        def work() -> None:
            assert self._release.wait(60)
            self.done.append(name)

        return work


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line(places=12)
    yield line
    line._release.set()


async def test_a_newcomer_goes_before_the_next_job_of_a_flood(line: Line) -> None:
    flood = [await line.add("flood") for _ in range(6)]
    others = [await line.add("school"), await line.add("home"), await line.add("school")]

    await line.release(*flood, *others)

    assert line.done == ["flood", "school", "home", "flood", "school", *["flood"] * 4]


async def test_endless_newcomers_do_not_keep_others_from_their_turn() -> None:
    line = Line(places=100)
    tasks = [await line.add("school") for _ in range(3)]
    loop = asyncio.get_running_loop()

    async def arrive(number: int) -> asyncio.Task[None]:
        share = Share(f"stranger {number}", 100, f"stranger {number}", 100)

        def work() -> None:
            """Before it ends, the next newcomer arrives."""
            line.done.append("stranger")
            if number < 20:
                asyncio.run_coroutine_threadsafe(arrive(number + 1), loop).result(60)

        task = asyncio.create_task(line.queue.run(work, share, 100))
        await asyncio.sleep(0)
        return task

    await arrive(0)
    await line.release(*tasks)

    assert line.done.count("stranger") < 10


async def test_a_holder_has_no_more_than_its_share(line: Line) -> None:
    taken = [await line.add("flood", most=4) for _ in range(5)]
    other = await line.add("school", most=4)

    ends = await line.release(*taken, other)

    assert ends[:4] == [None] * 4
    assert isinstance(ends[4], TooManyRequests)
    assert int(ends[4].headers["Retry-After"]) > 0
    assert ends[5] is None
    assert (await line.release(await line.add("flood", most=4))) == [None], "places are free again"


async def test_those_who_share_a_flow_have_its_turns_and_places_together(line: Line) -> None:
    joined = [await line.add("join", holder=f"h{number}", flow_places=3, most=2) for number in (1, 1, 1, 2, 3)]
    signing_in = [await line.add("a"), await line.add("b")]

    ends = await line.release(*joined, *signing_in)

    assert [type(end) for end in ends] == [type(None)] * 2 + [TooManyRequests, type(None), Unavailable] + [
        type(None)
    ] * 2
    assert line.done == ["join", "a", "b", "join", "join"]


async def test_in_a_full_queue_the_largest_flow_makes_room(line: Line) -> None:
    floods = [await line.add(f"flood {number % 3}") for number in range(12)]
    others = [await line.add(f"school {number}") for number in range(3)]

    ends = await line.release(*floods, *others)

    assert ends[12:] == [None] * 3
    assert [type(end) for end in ends[:12]].count(Unavailable) == 3
    assert line.done[1:4] != ["flood 0"] * 3


async def test_a_full_queue_refuses_who_has_as_many_places_as_the_others(line: Line) -> None:
    tasks = [await line.add(f"address {number}") for number in range(13)]

    ends = await line.release(*tasks)

    assert [type(end) for end in ends] == [type(None)] * 12 + [Unavailable]


async def test_who_leaves_makes_room(line: Line) -> None:
    tasks = [await line.add(f"address {number}") for number in range(12)]
    tasks[5].cancel()
    await asyncio.gather(tasks[5], return_exceptions=True)
    late = await line.add("late")

    await line.release(*tasks[:5], *tasks[6:], late)

    assert line.done == [f"address {number}" for number in range(12) if number != 5] + ["late"]


async def test_what_a_job_raises_is_raised_and_frees_its_place(line: Line) -> None:
    share = Share("a", 1, "a", 1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await line.queue.run(lambda: 1 // 0, share, 1)
