"""How answers leave: head and body together, and so that a client that is still sending gets them."""

import asyncio
from collections.abc import Callable
from typing import Any

# So many bytes are not copied to save a packet.
_WORTH_A_PACKET = 65_536


class LingeringTransport:
    """A transport. To close a socket that has unread bytes resets the connection, and the client may lose the answer
    that it was sent (RFC 9112, section 9.6). So `close`, where `stays` says that the client is not done, only ends our
    side; it is for whoever owns the transport to read on, and to `hang_up`."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stays: Callable[[], bool]
    ) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._stays = stays
        self._lingers = False
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send; two pieces together if the loop does not go on in between: the head of an answer and its body would
        cost a packet each. No more than one piece is held, or the transport could not say when to wait."""
        if not self._held:
            self._held = data
            self._call_soon(self._flush)
        elif len(data) > _WORTH_A_PACKET:
            self._flush()
            self._transport.write(data)
        else:
            self._transport.write(self._held + data)
            self._held = b""

    def is_closing(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._stays():
            self.hang_up()
            return
        self._lingers = True
        self._flush()
        if self._transport.can_write_eof():  # not over TLS
            self._transport.write_eof()

    def hang_up(self) -> None:
        """Close now, once what was written is sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(self._held)
            self._held = b""
