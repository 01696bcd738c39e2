"""The time that connections take. One timer for all of them: a timer each would have to be set anew with each byte."""

import asyncio
from typing import Protocol, cast
from weakref import WeakSet

from uvicorn.server import ServerState


class Ticking(Protocol):
    """A connection that wants to know of each second."""

    def tick(self) -> None:
        """A second has passed."""


_swept: WeakSet[ServerState] = WeakSet()


def tick_each_second(state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
    """Let the connections of a server tick from now on, while it has any. They must be `Ticking`."""
    if state not in _swept:
        _swept.add(state)
        loop.call_later(1, _sweep, state, loop)


def _sweep(state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
    _swept.discard(state)
    if state.connections:
        tick_each_second(state, loop)
    for connection in list(state.connections):
        cast("Ticking", connection).tick()
