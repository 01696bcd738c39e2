"""A relay in front of a mongod, for tests in which the mongod is lost or slow, and for tests of the commands."""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import bson
from anyio.from_thread import BlockingPortal

_OP_MSG = 2013


class Relay:
    """A TCP port that forwards to a mongod, and that can be shut as if the mongod had died.

    Each response is delayed for `delay` seconds. All commands are kept in `commands`.
    """

    def __init__(self, portal: BlockingPortal, socket: str) -> None:
        self._portal = portal
        self._socket = socket
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.delay = 0.0
        self.commands: list[dict[str, Any]] = []
        self.start()

    def url(self, credentials: str = "", **options: object) -> str:
        """Return the URL by which a service reaches the mongod through this port."""
        given = "".join(f"&{name}={value}" for name, value in options.items())
        return f"mongodb://{credentials}127.0.0.1:{self.port}/?directConnection=true{given}"

    def start(self) -> None:
        self._portal.call(self._listen)

    def shut(self) -> None:
        self._portal.call(self._cut)

    @property
    def connections(self) -> int:
        """Return the number of connections through the relay."""
        return len(self._open) // 2

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, behind}
        await asyncio.gather(self._ask(reader, behind), self._answer(behind_reader, writer))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while header := await reader.readexactly(16):
                body = await reader.readexactly(struct.unpack_from("<i", header)[0] - 16)
                self.commands += _commands(header, body)
                writer.write(header + body)
        self._close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
        self._close(writer)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self._open.discard(writer)


def _commands(header: bytes, body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the command in a message, which follows the flags and the kind 0, without the documents after it."""
    if struct.unpack_from("<i", header, 12)[0] == _OP_MSG and body[4] == 0:
        size = struct.unpack_from("<i", body, 5)[0]
        yield bson.decode(body[5 : 5 + size])
