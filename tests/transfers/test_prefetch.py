"""Prefetching from an async generator."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from threading import Event

import pytest

from modules.transfers.prefetch import in_thread, prefetch

pytestmark = pytest.mark.anyio


async def test_the_next_item_is_produced_while_the_current_one_is_processed() -> None:
    begun = [asyncio.Event() for _ in range(3)]

    async def source() -> AsyncGenerator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    seen = []
    async for number in prefetch(source()):
        for event in begun[number : number + 2]:
            await asyncio.wait_for(event.wait(), 20)
        assert not any(event.is_set() for event in begun[number + 2 :])
        seen.append(number)

    assert seen == [0, 1, 2]


async def test_an_error_is_raised_after_the_items_before_it() -> None:
    async def source() -> AsyncGenerator[int]:
        yield 1
        raise LookupError

    numbers = prefetch(source())

    assert await anext(numbers) == 1
    await asyncio.sleep(0)
    with pytest.raises(LookupError):
        await anext(numbers)


async def slow_source(begun: asyncio.Event, ended: list[str]) -> AsyncGenerator[int]:
    """Yield one item, then wait for very long. Cancellation takes some time."""
    try:
        yield 1
        begun.set()
        await asyncio.sleep(20)
    except asyncio.CancelledError:
        await asyncio.sleep(0.02)
        ended.append("cancelled")
        raise
    finally:
        ended.append("closed")


async def test_closing_early_cancels_the_next_item_and_waits_for_it() -> None:
    begun, ended = asyncio.Event(), list[str]()

    async with aclosing(prefetch(slow_source(begun, ended))) as numbers:
        async for _ in numbers:
            await begun.wait()
            break

    assert ended == ["cancelled", "closed"]


async def test_cancellation_of_the_consumer_cancels_the_next_item_and_waits_for_it() -> None:
    begun, ended = asyncio.Event(), list[str]()

    async def consume() -> None:
        async with aclosing(prefetch(slow_source(begun, ended))) as numbers:
            async for _ in numbers:
                pass

    consumer = asyncio.create_task(consume())
    await begun.wait()
    consumer.cancel()

    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert ended == ["cancelled", "closed"]


async def test_a_cancelled_task_waits_for_its_thread() -> None:
    begun, may_end, ended = Event(), Event(), list[str]()

    def slow() -> None:
        begun.set()
        assert may_end.wait(20)
        ended.append("ended")

    waiting = asyncio.create_task(in_thread(slow))
    await asyncio.to_thread(begun.wait)
    for _ in range(2):
        waiting.cancel()
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.02, may_end.set)

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == ["ended"]
