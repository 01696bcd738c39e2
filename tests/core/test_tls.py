"""Tests of TLS handshakes, each of which counts as one connection; `tests/faults` tests them with real servers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from core.server.limits import SPARE_CONNECTIONS
from core.server.tls import Handshake, TlsConfig
from tests.test_serving_settings import certificate

pytestmark = pytest.mark.anyio

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (no event signals the state of the server)
            await asyncio.sleep(0.001)


@asynccontextmanager
async def listening(folder: Path, limit: int) -> AsyncIterator[tuple[ServerState, int]]:
    """Run a TLS server with a limit of connections, and yield its state and its port."""
    files, state = certificate(folder), ServerState()
    config = TlsConfig(
        app, ssl_certfile=files["TLS_CERTFILE"], ssl_keyfile=files["TLS_KEYFILE"], lifespan="off", log_config=None
    )
    config.load()

    def accept() -> Handshake:
        return Handshake(config, state, app_state={}, max_connections=limit - SPARE_CONNECTIONS)

    async with await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0) as server:
        try:
            yield state, server.sockets[0].getsockname()[1]
        finally:
            for connection in list(state.connections):
                connection.shutdown()
            await until(lambda: not state.connections)


async def test_the_connection_replaces_the_finished_handshake(tmp_path: Path) -> None:
    async with listening(tmp_path, limit=SPARE_CONNECTIONS + 1) as (state, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ssl._create_unverified_context())
        for _ in range(2):
            writer.write(REQUEST)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            assert (await reader.readuntil(b"https")).endswith(b"https")
            assert len(state.connections) == 1
        writer.close()
        await until(lambda: not state.connections)


async def test_handshakes_above_the_limit_are_refused_and_failed_ones_are_removed(tmp_path: Path) -> None:
    async with listening(tmp_path, limit=1) as (state, port):
        _, first = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(state.connections) == 1)
        reader, second = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        assert len(state.connections) == 1
        first.write(REQUEST)  # plain HTTP instead of TLS
        await until(lambda: not state.connections)
        first.close()
        second.close()
        _, third = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(state.connections) == 1)
        third.close()


async def test_shutdown_closes_handshakes_that_have_not_started(tmp_path: Path) -> None:
    async with listening(tmp_path, limit=1) as (state, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not state.connections:  # noqa: ASYNC110 (the next iteration would be too late)
            await asyncio.sleep(0)
        for connection in list(state.connections):
            connection.shutdown()
        assert await reader.read() == b""
        await until(lambda: not state.connections)
        writer.close()
