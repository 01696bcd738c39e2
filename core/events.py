"""Events of a module's records that other modules follow. The module that delivers them knows none of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from core.errors import StartupError
from core.functions import check_async

T = TypeVar("T")

Handler = Callable[[T], Awaitable[None]]
"""A function that is called with what has happened. It may be called several times for the same, and raises an
exception if it must be called again."""


@dataclass(frozen=True, eq=False)
class Event(Generic[T]):
    """Something that happens to a module's records. The module offers it in its `__all__`, and calls `followers`."""

    name: str

    def followers(self) -> dict[str, Handler[T]]:
        """Return what the modules of the running app call on this event, by the module's name.

        The app is that of the current event loop: a process may run several apps.
        """
        loop = asyncio.get_running_loop()
        handlers: dict[str, list[Handler[T]]] = {}
        for of_loop, module, follow in _running:
            if of_loop is loop and follow.event is self:
                handlers.setdefault(module, []).append(follow.handle)
        return {module: _in_turn(several) for module, several in handlers.items()}

    def report(self, module: str, *, failing: bool) -> None:
        """State whether the calls of a module's handlers keep failing, for `/readyz` of the running app."""
        one = asyncio.get_running_loop(), f"{module}/{self.name}"
        (_failing.add if failing else _failing.discard)(one)


@dataclass(frozen=True)
class Follow(Generic[T]):
    """A module's declaration that `handle` is called on an event of another module."""

    event: Event[T]
    handle: Handler[T]

    def __post_init__(self) -> None:
        """Raise `StartupError` for another event than an `Event`, or a handler that cannot be called."""
        if not isinstance(self.event, Event):
            raise StartupError(f"Follow has {self.event!r}, which is no Event. Import the event itself.")
        check_async(self.handle, "The handler of Follow", arguments=1)


_running: list[tuple[asyncio.AbstractEventLoop, str, Follow[Any]]] = []
_failing: set[tuple[asyncio.AbstractEventLoop, str]] = set()


def failing_followers() -> list[str]:
    """Return the modules of the app of the current event loop that cannot follow an event, each with the event's name,
    such as `courses/changed`."""
    loop = asyncio.get_running_loop()
    return sorted(name for of_loop, name in _failing if of_loop is loop)


def _in_turn(handlers: Iterable[Handler[T]]) -> Handler[T]:
    async def handle(happened: T) -> None:
        for one in handlers:
            await one(happened)

    return handle


@contextmanager
def following(declared: Iterable[tuple[str, Follow[Any]]]) -> Iterator[None]:
    """Add what modules follow, each with the module's name, to the app of the current event loop, until the end."""
    loop = asyncio.get_running_loop()
    added = [(loop, module, follow) for module, follow in declared]
    _running.extend(added)
    try:
        yield
    finally:
        for one in added:
            _running.remove(one)
        _failing.difference_update([one for one in _failing if one[0] is loop])
