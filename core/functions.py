"""The check of functions that modules declare."""

import inspect
from typing import Any

from core.errors import StartupError


def check_async(function: Any, what: str, *, arguments: int = 0) -> None:
    """Raise `StartupError` unless this is an async function that can be called with this many arguments, 0 or 1."""
    if inspect.iscoroutinefunction(function):
        try:
            inspect.signature(function).bind(*[None] * arguments)
        except TypeError:
            pass
        else:
            return
    name = getattr(function, "__qualname__", repr(function))
    allowed = "one argument" if arguments else "no arguments"
    raise StartupError(
        f"{what} must be an async function that takes {allowed}; {name} is not. "
        "Declare it with `async def`, and write its name without parentheses."
    )
