"""The check of functions that modules declare."""

import inspect
from typing import Any

from core.errors import StartupError


def check_async(function: Any, what: str, *, arguments: int = 0, yields: bool = False) -> None:
    """Raise `StartupError` unless this is an async function that can be called with this many arguments, 0 or 1; with
    `yields`, unless it is an async generator function."""
    if (inspect.isasyncgenfunction if yields else inspect.iscoroutinefunction)(function):
        try:
            inspect.signature(function).bind(*[None] * arguments)
        except TypeError:
            pass
        else:
            return
    name = getattr(function, "__qualname__", repr(function))
    allowed = "one argument" if arguments else "no arguments"
    kind, keywords = ("generator", "`async def` and `yield`") if yields else ("function", "`async def`")
    raise StartupError(
        f"{what} must be an async {kind} that takes {allowed}; {name} is not. "
        f"Declare it with {keywords}, and write its name without parentheses."
    )
