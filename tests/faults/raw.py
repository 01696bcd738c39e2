"""A client that sends exactly the given bytes, and parses the responses."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from tests.servers import PATIENCE, Server

CHUNKED = "Transfer-Encoding: chunked"

# A complete body in chunks.
CHUNKS = "2\r\n{}\r\n0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """A response; the names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> Any:
        """Return the problem document. Assert what holds for every problem document."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["x-request-id"]
        assert self.headers["x-content-type-options"] == "nosniff"
        return problem


class Raw:
    """A connection to a server."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.url.rpartition("/")[2].rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        if server.url.startswith("https"):
            self.socket = ssl._create_unverified_context().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, text: str | bytes) -> None:
        self.socket.sendall(text.encode("latin-1") if isinstance(text, str) else text)

    def answer(self, *, to: str = "GET") -> Answer:
        """Read the next response, which is for a request with the method `to`."""
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return Answer(status, headers, b"" if to == "HEAD" or status in (100, 204) else self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        if "transfer-encoding" not in headers:
            return self.file.read(int(headers["content-length"]))
        body = b""
        while size := int(self.file.readline(), 16):
            body += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return body

    def is_closed(self) -> bool:
        """Wait for more data. Return whether the server has ended the connection instead."""
        return self.file.read(1) == b""


def get(path: str, *headers: str) -> str:
    """Return a GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""])


def post(path: str, *headers: str) -> str:
    """Return the head of a POST request with a JSON body."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers, "", ""])


@contextmanager
def many(server: Server, count: int) -> Iterator[list[Raw]]:
    """Open this many connections at once."""
    connections: list[Raw] = []
    try:
        connections.extend(Raw(server) for _ in range(count))
        yield connections
    finally:
        for connection in connections:
            connection.__exit__()
