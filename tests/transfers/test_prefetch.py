"""Prefetching from an async generator."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from threading import Event

import pytest

from modules.transfers.prefetch import in_thread, prefetch

pytestmark = pytest.mark.anyio


async def test_the_next_one_is_made_while_the_one_before_is_dealt_with() -> None:
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


async def test_what_fails_does_so_in_its_turn() -> None:
    async def source() -> AsyncGenerator[int]:
        yield 1
        raise LookupError

    numbers = prefetch(source())

    assert await anext(numbers) == 1
    await asyncio.sleep(0)
    with pytest.raises(LookupError):
        await anext(numbers)


async def never_made(begun: asyncio.Event, ended: list[str]) -> AsyncGenerator[int]:
    """A source whose second item takes very long, and whose cancellation takes some time."""
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


async def test_who_stops_before_the_end_has_what_was_begun_cancelled_and_waits_for_that() -> None:
    begun, ended = asyncio.Event(), list[str]()

    async with aclosing(prefetch(never_made(begun, ended))) as numbers:
        async for _ in numbers:
            await begun.wait()
            break

    assert ended == ["cancelled", "closed"]


async def test_who_is_cancelled_does_so_too() -> None:
    begun, ended = asyncio.Event(), list[str]()

    async def consume() -> None:
        async with aclosing(prefetch(never_made(begun, ended))) as numbers:
            async for _ in numbers:
                pass

    consumer = asyncio.create_task(consume())
    await begun.wait()
    consumer.cancel()

    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert ended == ["cancelled", "closed"]


async def test_a_thread_is_waited_for_by_who_is_cancelled() -> None:
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
