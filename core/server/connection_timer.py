"""A timer shared by all connections of a server.

One timer per connection would have to be reset with every byte that arrives.
"""

import asyncio
from typing import Protocol, cast
from weakref import WeakSet

from uvicorn.server import ServerState


class Ticking(Protocol):
    """A connection that is notified every second."""

    def tick(self) -> None:
        """Handle that a second has passed."""


_scheduled: WeakSet[ServerState] = WeakSet()


def tick_each_second(state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
    """Call `tick` on each connection of a server every second, for as long as the server has connections.

    The connections must implement `Ticking`. Further calls for the same server have no effect.
    """
    if state not in _scheduled:
        _scheduled.add(state)
        loop.call_later(1, _tick_connections, state, loop)


def _tick_connections(state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
    _scheduled.discard(state)
    if state.connections:
        tick_each_second(state, loop)
    for connection in list(state.connections):
        cast("Ticking", connection).tick()
