"""TLS handshakes that are counted and timed.

The event loop's own server gives a handshake a minute, and reports the connection only when it is complete. A client
that connects and says nothing would hold any number of files, past every limit.
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

# How long a client may take for its handshake, in seconds.
HANDSHAKE_SECONDS = 10


class TlsConfig(uvicorn.Config):
    """uvicorn's configuration, but that `Handshake` speaks TLS, and not the event loop."""

    tls: ssl.SSLContext

    def load(self) -> None:
        super().load()
        if self.ssl:
            self.tls, self.ssl = self.ssl, None


class Handshake(asyncio.Protocol):
    """A connection until its TLS handshake is complete; a `Connection` then goes on with it. It counts as one of the
    server's connections, which are asked to `tick` and to `shutdown`."""

    def __init__(
        self, config: TlsConfig, server_state: ServerState, *, max_connections: int = MAX_CONNECTIONS, **options: Any
    ) -> None:
        self.context = config.tls
        self.connections = cast("set[Any]", server_state.connections)
        self.most = max_connections + SPARE_CONNECTIONS
        self.connected: Any = None
        self.next = partial(_Secured, config, server_state, handshake=self, max_connections=max_connections, **options)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # `start_tls` would miss what uvloop reads before it is called, so the socket gets another transport.
        try:
            if len(self.connections) < self.most:
                self.connected = transport.get_extra_info("socket").dup()
                self.connections.add(self)
                self.task = asyncio.get_running_loop().create_task(self._shake_hands())
                self.task.add_done_callback(self._end)
        finally:
            cast("asyncio.Transport", transport).abort()

    async def _shake_hands(self) -> None:
        connected, self.connected = self.connected, None  # from now on it is the event loop's to close
        with suppress(OSError):  # the client is too slow, has gone, or does not speak TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self.next, connected, ssl=self.context, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )

    def _end(self, _: "asyncio.Task[None]") -> None:
        self.connections.discard(self)
        if self.connected:  # the task was cancelled before it began
            self.connected.close()

    def tick(self) -> None:
        """Do nothing: the event loop ends a handshake that takes too long."""

    def shutdown(self) -> None:
        """Close the connection at once: nothing has been asked on it."""
        self.task.cancel()


class _Secured(Connection):
    """A connection whose handshake is complete, which it takes the place of."""

    def __init__(self, *arguments: Any, handshake: Handshake, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.handshake = handshake

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        self.connections.discard(cast("Any", self.handshake))
        super().connection_made(transport)
