"""Making the next thing while somebody is busy with the one before."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def ahead(source: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """What the source makes, none of which may be None; the next one is always begun already.

    Whoever may stop before its end closes this (`contextlib.aclosing`). Then, and when that one is cancelled, what was
    begun is cancelled, waited for, and the source closed.
    """
    following = _begin(source)
    try:
        while (made := await asyncio.shield(following)) is not None:
            following = _begin(source)
            yield made
    finally:
        following.cancel()
        await asyncio.wait([following])
        if not following.cancelled():
            following.exception()  # which nobody is told any more
        await source.aclose()


def _begin(source: AsyncGenerator[T]) -> "asyncio.Task[T | None]":
    async def next_one() -> T | None:
        return await anext(source, None)

    return asyncio.create_task(next_one())


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread. A thread cannot be called back: who is cancelled, however often, waits for its
    end."""
    thread = asyncio.create_task(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        while not thread.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([thread])
        raise
