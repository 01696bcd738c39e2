"""Making the next thing while somebody is busy with the one before."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from modules.transfers.ahead import ahead

pytestmark = pytest.mark.anyio


async def test_the_next_one_is_made_while_the_one_before_is_dealt_with() -> None:
    begun = [asyncio.Event() for _ in range(3)]

    async def source() -> AsyncGenerator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    seen = []
    async for number in ahead(source()):
        for event in begun[number : number + 2]:
            await asyncio.wait_for(event.wait(), 20)
        assert not any(event.is_set() for event in begun[number + 2 :])
        seen.append(number)

    assert seen == [0, 1, 2]


async def test_what_fails_does_so_in_its_turn() -> None:
    async def source() -> AsyncGenerator[int]:
        yield 1
        raise LookupError

    numbers = ahead(source())

    assert await anext(numbers) == 1
    await asyncio.sleep(0)
    with pytest.raises(LookupError):
        await anext(numbers)


async def test_who_stops_before_the_end_waits_for_what_was_begun_and_closes_the_source() -> None:
    may_end, ended = asyncio.Event(), []

    async def source() -> AsyncGenerator[int]:
        try:
            yield 1
            await may_end.wait()
            ended.append("made")
            yield 2
        finally:
            ended.append("closed")

    async with aclosing(ahead(source())) as numbers:
        async for _ in numbers:
            asyncio.get_running_loop().call_later(0.02, may_end.set)
            break

    assert ended == ["made", "closed"]


async def test_who_is_cancelled_waits_for_what_was_begun() -> None:
    waiting, may_end, ended = asyncio.Event(), asyncio.Event(), []

    async def source() -> AsyncGenerator[int]:
        waiting.set()
        await may_end.wait()
        ended.append("made")
        yield 1

    async def consume() -> None:
        async with aclosing(ahead(source())) as numbers:
            async for _ in numbers:
                raise AssertionError("cancelled before")

    consumer = asyncio.create_task(consume())
    await waiting.wait()
    consumer.cancel()
    asyncio.get_running_loop().call_later(0.02, may_end.set)

    with pytest.raises(asyncio.CancelledError):
        await consumer
    assert ended == ["made"]
