"""Requests as bytes, some of which no HTTP client would send, and a connection that sends them."""

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from tests.servers import PATIENCE

# Seconds after which an idle connection is not used again, because the server may have closed it.
KEEP_ALIVE = 1.0

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Request:
    """A request. The length of its body is always correct, so that the connection can be used again."""

    method: bytes
    target: bytes
    headers: Headers = ()
    body: bytes | None = None
    chunked: bool = False

    def raw(self, host: str) -> bytes:
        """Return the bytes of the request."""
        named = {name.lower() for name, _ in self.headers}
        headers = self.headers if b"host" in named else ((b"Host", host.encode()), *self.headers)
        lines = [b"%b %b HTTP/1.1" % (self.method, self.target), *(b"%b: %b" % header for header in headers)]
        body = self.body or b""
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif self.body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        return b"\r\n".join([*lines, b"", body])


@dataclass(frozen=True)
class Answer:
    """A response; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


class NoAnswerError(Exception):
    """The connection ended or timed out before the response was complete."""


class Wire:
    """A connection to a server, which is opened again when it has ended."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self._address = (urlsplit(url).hostname or "", urlsplit(url).port or 80)
        self._socket: socket.socket | None = None
        self._used = 0.0

    def ask(self, request: Request) -> Answer:
        """Send a request, and return the response. Raise `NoAnswerError` if there is none."""
        begun = time.monotonic()
        connection = self._connection()
        try:
            with suppress(OSError):  # a server may respond before it has read the whole request, and then stop reading
                connection.sendall(request.raw(self.host))
            response = HTTPResponse(connection, method=request.method.decode("latin-1"))
            response.begin()
            body = response.read()
        except (HTTPException, OSError) as error:
            self.close()
            raise NoAnswerError(repr(error)) from error
        if response.will_close:
            self.close()
        self._used = time.monotonic()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body, self._used - begun)

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def _connection(self) -> socket.socket:
        if time.monotonic() - self._used > KEEP_ALIVE:
            self.close()
        if not self._socket:
            self._socket = socket.create_connection(self._address, timeout=PATIENCE)
        return self._socket
