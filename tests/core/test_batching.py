import asyncio
from collections.abc import Awaitable, Sequence

import pymongo
import pytest
from pymongo._csot import get_timeout

from core.database.batcher import Batcher

pytestmark = pytest.mark.anyio

Task = asyncio.Task[str]


class Work:
    """Work that is held until it is let go on, and notes what it was asked."""

    def __init__(self, **options: float) -> None:
        self.asked: list[list[str]] = []
        self.goes_on: list[asyncio.Event] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.batched: Batcher[str, str] = Batcher(self.do, **options)  # type: ignore[arg-type]

    async def do(self, asks: Sequence[str]) -> list[str]:
        turn = len(self.asked)
        self.asked.append(list(asks))
        self.goes_on.append(asyncio.Event())
        self.begun.put_nowait(turn)
        await self.goes_on[turn].wait()
        if "bad" in asks:
            raise ValueError(f"run {turn}")
        return [f"{ask}: run {turn}" for ask in asks]

    async def begins(self, turn: int) -> None:
        """Until the run of this number has begun."""
        async with asyncio.timeout(30):
            while await self.begun.get() != turn:
                pass

    async def ask(self, *asks: str, key: str | None = None) -> list[Task]:
        """Tasks that have begun to ask, in this order."""
        tasks = [asyncio.create_task(self.batched(one, key)) for one in asks]
        await settle()
        return tasks


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(5):
        await asyncio.sleep(0)


async def results(tasks: Sequence[Awaitable[str]]) -> list[str]:
    async with asyncio.timeout(30):
        return [str(found) for found in await asyncio.gather(*tasks, return_exceptions=True)]


async def test_who_comes_alone_waits_for_nobody() -> None:
    work = Work()
    tasks = await work.ask("a")
    assert work.asked == [["a"]]
    work.goes_on[0].set()
    assert await results(tasks) == ["a: run 0"]


async def test_those_who_come_meanwhile_are_done_together_and_each_gets_their_own_answer() -> None:
    work = Work()
    tasks = await work.ask("a", "b", "c", "b")
    assert work.asked == [["a"]]
    work.goes_on[0].set()
    await work.begins(1)
    assert work.asked == [["a"], ["b", "c", "b"]]
    work.goes_on[1].set()
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 1", "b: run 1"]


async def test_those_who_were_just_answered_may_come_along() -> None:
    work = Work()

    async def ask_twice() -> list[str]:
        return [await work.batched("a"), await work.batched("again")]

    first = asyncio.create_task(ask_twice())
    await settle()
    second = await work.ask("b")
    work.goes_on[0].set()
    await work.begins(1)
    assert work.asked == [["a"], ["b", "again"]]
    work.goes_on[1].set()
    assert [await first, *await results(second)] == [["a: run 0", "again: run 1"], "b: run 1"]


async def test_no_answer_is_of_work_that_began_before_the_question() -> None:
    work = Work()
    first = await work.ask("a")
    late = await work.ask("a")
    work.goes_on[0].set()
    await work.begins(1)
    later_still = await work.ask("a")
    work.goes_on[1].set()
    await work.begins(2)
    work.goes_on[2].set()
    assert await results([*first, *late, *later_still]) == ["a: run 0", "a: run 1", "a: run 2"]


async def test_a_failure_is_theirs_who_asked_together() -> None:
    work = Work()
    tasks = await work.ask("a", "bad", "b")
    work.goes_on[0].set()
    await work.begins(1)
    tasks += await work.ask("c")
    work.goes_on[1].set()
    await work.begins(2)
    work.goes_on[2].set()
    assert await results(tasks) == ["a: run 0", "run 1", "run 1", "c: run 2"]


async def test_after_a_failure_alone_the_others_have_their_turn() -> None:
    work = Work()
    tasks = await work.ask("bad", "b")
    work.goes_on[0].set()
    await work.begins(1)
    work.goes_on[1].set()
    assert await results(tasks) == ["run 0", "b: run 1"]


@pytest.mark.parametrize("gone", [0, 1])
async def test_who_goes_away_holds_up_nobody(gone: int) -> None:
    work = Work()
    tasks = await work.ask("a", "b", "c")
    tasks.pop(gone).cancel()
    work.goes_on[0].set()
    await work.begins(1)
    work.goes_on[1].set()
    assert len(await results(tasks)) == 2
    (again,) = await work.ask("d")
    work.goes_on[2].set()
    assert await again == "d: run 2"


async def test_nobody_waits_long_for_work_that_hangs() -> None:
    work = Work(max_wait=0.01)
    tasks = await work.ask("a", "b")
    await work.begins(1)
    tasks += await work.ask("c")
    await work.begins(2)
    for number in (1, 2, 0):  # and what hung may end when it likes
        work.goes_on[number].set()
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 2"]
    (again,) = await work.ask("d")
    work.goes_on[3].set()
    assert await again == "d: run 3"


async def test_groups_do_not_wait_for_one_another() -> None:
    work = Work()
    left = await work.ask("a", "b", key="left")
    right = await work.ask("c", key="right")
    assert work.asked == [["a"], ["c"]]
    for number in range(2):
        work.goes_on[number].set()
    await work.begins(2)
    work.goes_on[2].set()
    assert await results([*left, *right]) == ["a: run 0", "b: run 2", "c: run 1"]
    assert not work.batched._groups


async def test_no_more_than_so_many_are_done_at_a_time() -> None:
    work = Work(max_batch_size=2)
    tasks = await work.ask("a", "b", "c", "d")
    for number in range(3):
        await work.begins(number)
        work.goes_on[number].set()
    assert work.asked == [["a"], ["b", "c"], ["d"]]
    assert await results(tasks) == ["a: run 0", "b: run 1", "c: run 1", "d: run 2"]


async def test_the_time_that_one_has_for_the_database_is_nothing_to_the_others() -> None:
    found: list[float | None] = []
    go = asyncio.Event()

    async def do(asks: Sequence[str]) -> Sequence[str]:
        found.append(get_timeout())
        await go.wait()
        return asks

    batched = Batcher(do)

    async def ask(seconds: float) -> str:
        with pymongo.timeout(seconds):
            return await batched("a")

    tasks = [asyncio.create_task(ask(seconds)) for seconds in (7, 8, 9)]
    await settle()
    go.set()
    await asyncio.gather(*tasks)
    assert found == [7, None]
