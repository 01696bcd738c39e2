"""A transport that sends head and body of a response together and delivers the response before it closes."""

import asyncio
from collections.abc import Callable
from typing import Any

# Above this size in bytes, copying the data costs more than sending it in a packet of its own.
_MAX_COPY = 65_536


class LingeringTransport:
    """A transport that can linger when it is closed.

    Closing a socket with unread bytes resets the connection, and the client may lose the response (RFC 9112, section
    9.6). So if `keep_reading` returns True, because the client may still be sending, `close` shuts down only the write
    side. The owner of the transport must then keep reading, and call `hang_up` at the end.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, keep_reading: Callable[[], bool]
    ) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._keep_reading = keep_reading
        self._is_lingering = False
        self._buffer = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data, joining two consecutive writes of the same event loop iteration.

        Head and body of a response would otherwise take one packet each. At most one write is buffered here, so that
        the transport's own flow control stays accurate.
        """
        if not self._buffer:
            self._buffer = data
            self._call_soon(self._flush)
        elif len(data) > _MAX_COPY:
            self._flush()
            self._transport.write(data)
        else:
            self._transport.write(self._buffer + data)
            self._buffer = b""

    def is_closing(self) -> bool:
        return self._is_lingering or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        if not self._keep_reading():
            self.hang_up()
            return
        self._is_lingering = True
        self._flush()
        if self._transport.can_write_eof():  # TLS cannot
            self._transport.write_eof()

    def hang_up(self) -> None:
        """Close the connection after the written data has been sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._buffer:
            self._transport.write(self._buffer)
            self._buffer = b""
