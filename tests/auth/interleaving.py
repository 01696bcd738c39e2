"""Wrap functions so that a concurrent change happens at a certain moment of a request."""

from collections.abc import Awaitable, Callable
from typing import Any

from modules.auth import account_store
from modules.auth.models import User


async def rotate_key(user: User) -> None:
    await account_store.change(user, {"secret_key": "0" * 64})


def before(function: Callable[..., Awaitable[Any]], step: Callable[[], Awaitable[None]]) -> Callable[..., Any]:
    """Return the function, wrapped so that `step` runs just before its first call."""
    steps = [step]

    async def interleaved(*arguments: Any, **options: Any) -> Any:
        if steps:
            await steps.pop()()
        return await function(*arguments, **options)

    return interleaved


def after(function: Callable[..., Awaitable[Any]], step: Callable[[], Awaitable[None]]) -> Callable[..., Any]:
    """Return the function, wrapped so that `step` runs just after its first call."""
    steps = [step]

    async def interleaved(*arguments: Any, **options: Any) -> Any:
        result = await function(*arguments, **options)
        if steps:
            await steps.pop()()
        return result

    return interleaved
