"""Tests of a connection's timeouts with simulated seconds; `tests/faults` tests them in real time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from core.server.protocol import _BODY, _DISCARD, BODY_SECONDS, LINGER_SECONDS, RESPONSE_SECONDS, Connection

pytestmark = pytest.mark.anyio

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
REQUEST = HEAD + b"Content-Length: 0\r\n\r\n"
PIECE = b"x" * 1_000_000


@dataclass
class Stage:
    """A client and the server's side of its connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: ServerState
    connection: Connection = field(init=False)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 (no event signals the state of a connection)
                await asyncio.sleep(0.001)

    async def fill(self) -> None:
        """Wait until the kernel's buffers are full because the client does not read the response."""
        before = 0
        while not before or before != self.connection.transport.get_write_buffer_size():
            before = self.connection.transport.get_write_buffer_size()
            await asyncio.sleep(0.1)

    def pass_seconds(self, count: int) -> None:
        for _ in range(count):
            self.connection.tick()

    async def is_cut_after(self, seconds: int) -> bool:
        """Return whether the connection is open for this many seconds; wait until it closes one second later."""
        self.pass_seconds(seconds)
        await asyncio.sleep(0.05)
        lasted = self.connection in self.state.connections
        self.pass_seconds(1)
        await self.until(lambda: not self.state.connections)
        return lasted


@asynccontextmanager
async def stage(app: ASGIApp) -> AsyncIterator[Stage]:
    loop, state = asyncio.get_running_loop(), ServerState()
    config = Config(app, http=Connection, lifespan="off", log_config=None)
    config.load()
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    stage = Stage(reader, writer, state)
    await stage.until(lambda: bool(state.connections))
    (stage.connection,) = state.connections  # type: ignore[assignment]
    try:
        yield stage
    finally:
        writer.close()
        for connection in list(state.connections):
            connection.transport.abort()
        server.close()
        for task in state.tasks:
            task.cancel()
        await stage.until(lambda: not state.tasks)


async def start(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def short(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": b""})


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    for _ in range(1000):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})


async def test_a_client_that_does_not_read_the_response_is_disconnected() -> None:
    async with stage(endless) as on:
        on.writer.write(REQUEST)
        await on.fill()
        assert await on.is_cut_after(RESPONSE_SECONDS)


async def test_a_client_that_reads_the_response_slowly_stays_connected() -> None:
    async with stage(endless) as on:
        on.writer.write(REQUEST)
        for _ in range(5):
            await on.until(lambda: on.connection.flow.write_paused and on.connection.seconds_left == RESPONSE_SECONDS)
            on.pass_seconds(RESPONSE_SECONDS - 1)
            await on.reader.readexactly(20 * len(PIECE))
        assert on.connection in on.state.connections


async def test_a_client_that_sends_only_empty_lines_is_disconnected() -> None:
    async with stage(short) as on:
        on.writer.write(REQUEST)
        await on.reader.readuntil(b"\r\n\r\n")
        on.writer.write(b"\r\n")
        await on.until(lambda: on.connection.received == len(b"\r\n"))
        assert await on.is_cut_after(on.connection.timeout_keep_alive)


async def test_a_request_that_the_app_handles_slowly_is_not_aborted() -> None:
    done = asyncio.Event()

    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        await done.wait()
        await short(scope, receive, send)

    async with stage(long) as on:
        on.writer.write(REQUEST)
        await on.until(lambda: bool(on.state.tasks))
        on.pass_seconds(10_000)
        done.set()
        assert (await on.reader.readline()).startswith(b"HTTP/1.1 200")


async def test_a_body_that_the_app_does_not_read_does_not_time_out() -> None:
    taken = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await taken.wait()
        await receive()
        await short(scope, receive, send)

    async with stage(slow) as on:
        on.writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n" + PIECE)
        await on.until(lambda: on.connection.flow.read_paused)
        on.pass_seconds(10_000)
        assert on.connection.awaited == _BODY
        taken.set()
        assert (await on.reader.readline()).startswith(b"HTTP/1.1 200")


async def test_a_client_that_keeps_sending_after_a_rejection_is_disconnected() -> None:
    async with stage(short) as on:
        on.writer.write(b"nonsense\r\n\r\n")
        await on.reader.read()
        on.writer.write(PIECE)
        assert await on.is_cut_after(LINGER_SECONDS)


async def test_received_data_extends_the_body_timeout_only_up_to_its_maximum() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    async with stage(never) as on:
        on.writer.write(HEAD + b"Content-Length: 9000000\r\n\r\n")
        for _ in range(8):
            on.writer.write(PIECE)
        await on.writer.drain()
        await on.until(lambda: on.connection.awaited == _BODY and on.connection.seconds_left == BODY_SECONDS)
        on.pass_seconds(BODY_SECONDS)
        assert on.connection.awaited != _DISCARD
        on.pass_seconds(1)
        assert on.connection.awaited == _DISCARD


async def test_a_response_that_has_started_is_not_aborted_because_the_body_is_slow() -> None:
    may_end = asyncio.Event()

    async def begun(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await may_end.wait()
        await send({"type": "http.response.body", "body": b"end"})

    async with stage(begun) as on:
        on.writer.write(HEAD + b"Content-Length: 9\r\n\r\n")
        assert b"connection: close" in await on.reader.readuntil(b"\r\n\r\n")
        on.pass_seconds(10_000)
        may_end.set()
        assert await on.reader.read() == b"3\r\nend\r\n0\r\n\r\n"
        assert "rejection" not in on.connection.cycle.scope


async def test_a_server_that_shuts_down_closes_lingering_connections() -> None:
    async with stage(short) as on:
        on.writer.write(b"nonsense\r\n\r\n")
        await on.reader.read()
        on.connection.shutdown()
        await on.until(lambda: not on.state.connections)
