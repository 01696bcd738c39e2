"""Prefetching from an async generator, and calls in threads that outlive cancellation."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def prefetch(source: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """Yield the items of a source, and compute the next item while the consumer processes the current one.

    No item may be None. A consumer that may stop early must close this generator (`contextlib.aclosing`). On closing,
    and on cancellation, the pending computation is cancelled and awaited, and the source is closed.
    """
    following = _begin(source)
    try:
        while (item := await asyncio.shield(following)) is not None:
            following = _begin(source)
            yield item
    finally:
        following.cancel()
        await asyncio.wait([following])
        if not following.cancelled():
            following.exception()  # retrieved so that asyncio does not warn about it
        await source.aclose()


def _begin(source: AsyncGenerator[T]) -> "asyncio.Task[T | None]":
    async def next_one() -> T | None:
        return await anext(source, None)

    return asyncio.create_task(next_one())


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread. A thread cannot be cancelled, so a cancelled caller waits until the thread ends."""
    thread = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        while not thread.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([thread])
        raise
