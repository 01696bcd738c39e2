"""Making the next thing while somebody is busy with the one before."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


async def ahead(source: AsyncGenerator[T]) -> AsyncGenerator[T]:
    """What the source makes, the next one always begun already. It makes nothing of None.

    Whoever may stop before its end closes this (`contextlib.aclosing`), which also closes the source. What was begun is
    waited for even then, and when cancelled: a thread, or a command to the database, cannot be called back.
    """
    following = _begin(source)
    try:
        while (made := await asyncio.shield(following)) is not None:
            following = _begin(source)
            yield made
    finally:
        await asyncio.gather(following, return_exceptions=True)
        await source.aclose()


def _begin(source: AsyncGenerator[T]) -> "asyncio.Task[T | None]":
    async def next_one() -> T | None:
        return await anext(source, None)

    return asyncio.create_task(next_one())
