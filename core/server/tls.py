"""TLS handshakes with a timeout and a connection limit.

The event loop's own server allows a minute for a handshake, and reports the connection only when it is complete. A
client that connects and sends nothing could hold any number of open files, and no limit would apply.
"""

import asyncio
import ssl
from contextlib import suppress
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from core.server.limits import SPARE_CONNECTIONS
from core.server.protocol import Connection
from core.settings import MAX_CONNECTIONS

# The timeout of a handshake, in seconds.
HANDSHAKE_SECONDS = 10


class TlsConfig(uvicorn.Config):
    """uvicorn's configuration, with TLS handled by `Handshake` instead of the event loop."""

    tls: ssl.SSLContext

    def load(self) -> None:
        super().load()
        if self.ssl:
            self.tls, self.ssl = self.ssl, None


class Handshake(asyncio.Protocol):
    """A connection whose TLS handshake is not complete yet; afterwards a `Connection` takes over.

    It counts as one of the server's connections, so it has the methods `tick` and `shutdown`.
    """

    def __init__(
        self, config: TlsConfig, server_state: ServerState, *, max_connections: int = MAX_CONNECTIONS, **options: Any
    ) -> None:
        self.context = config.tls
        self.connections = cast("set[Any]", server_state.connections)
        self.limit = max_connections + SPARE_CONNECTIONS
        self.socket: Any = None
        self.secured = partial(
            _Secured, config, server_state, handshake=self, max_connections=max_connections, **options
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # `start_tls` would miss the bytes that uvloop reads before the call, so the socket gets a new transport.
        try:
            if len(self.connections) < self.limit:
                self.socket = transport.get_extra_info("socket").dup()
                self.connections.add(self)
                self.task = asyncio.get_running_loop().create_task(self._shake_hands())
                self.task.add_done_callback(self._end)
        finally:
            cast("asyncio.Transport", transport).abort()

    async def _shake_hands(self) -> None:
        accepted, self.socket = self.socket, None  # from now on the event loop closes the socket
        with suppress(OSError):  # the client is too slow, has disconnected, or does not use TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self.secured, accepted, ssl=self.context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )

    def _end(self, _: "asyncio.Task[None]") -> None:
        self.connections.discard(self)
        if self.socket:  # the task was cancelled before it started
            self.socket.close()

    def tick(self) -> None:
        """Do nothing: the event loop aborts a handshake that takes too long."""

    def shutdown(self) -> None:
        """Close the connection immediately: it has no request yet."""
        self.task.cancel()


class _Secured(Connection):
    """A connection whose handshake is complete; it replaces the `Handshake` among the server's connections."""

    def __init__(self, *arguments: Any, handshake: Handshake, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handshake = handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        self.connections.discard(cast("Any", self.handshake))
        super().connection_made(transport)
