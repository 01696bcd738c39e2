"""Clients that connect over TLS and never finish the handshake: they count as connections, and are disconnected."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.server.tls import HANDSHAKE_SECONDS
from core.settings import Settings
from tests.core.test_lifecycle import MAIN
from tests.processes import until
from tests.servers import PATIENCE, Server, launch, stopped
from tests.test_serving_settings import certificate

pytestmark = pytest.mark.process

IDLE = 300

# The first bytes of a handshake, without the rest.
BEGINNING = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@contextmanager
def served(folder: Path, settings: Settings, **environment: str) -> Iterator[Server]:
    assert settings.mongodb_url
    environment |= {"MONGODB_URL": settings.mongodb_url.get_secret_value(), **certificate(folder)}
    with stopped(launch(folder, *MAIN, MONGODB_DATABASE=settings.mongodb_database, **environment)) as server:
        yield server


def connected(server: Server, stack: ExitStack) -> socket.socket:
    """Open a connection on which nothing is sent; the stack closes it."""
    url = urlsplit(server.url)
    return stack.enter_context(socket.create_connection((url.hostname, url.port or 0), timeout=PATIENCE))


def test_unfinished_handshakes_are_closed_and_do_not_delay_others(tmp_path: Path, settings: Settings) -> None:
    with served(tmp_path, settings) as server, server.client() as known, ExitStack() as stack:
        known.get("/healthz")
        began = time.monotonic()
        idle = [connected(server, stack) for _ in range(IDLE)]
        for one in idle[::2]:
            one.sendall(BEGINNING)
        slowest = 0.0
        while time.monotonic() < began + HANDSHAKE_SECONDS / 2:
            begun = time.monotonic()
            with server.client() as stranger:  # a handshake of its own
                assert stranger.get("/").status_code == known.get("/").status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        for one in idle:
            assert one.recv(1) == b"", "the server must close the connection"
        lasted = time.monotonic() - began
        print(f"{IDLE} handshakes closed after {lasted:.1f} s; meanwhile two requests took at most {slowest:.2f} s")
        assert HANDSHAKE_SECONDS / 2 < lasted < HANDSHAKE_SECONDS * 2.5
        assert slowest < HANDSHAKE_SECONDS / 2
        assert known.get("/").status_code == 200
        assert server.errors() == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unfinished_handshakes_count_as_connections(tmp_path: Path, settings: Settings, workers: str) -> None:
    def status(path: str) -> int:
        with server.client() as client:
            return client.get(path).status_code

    with served(tmp_path, settings, MAX_CONNECTIONS="3", WORKERS=workers) as server:
        assert status("/") == 200
        with ExitStack() as stack:
            for _ in range(20):
                connected(server, stack)
            until(lambda: status("/") == 503, within=HANDSHAKE_SECONDS / 2)
            assert status("/healthz") == 200
        until(lambda: status("/") == 200, within=HANDSHAKE_SECONDS / 2)


def test_a_server_stops_without_waiting_for_handshakes(tmp_path: Path, settings: Settings) -> None:
    with served(tmp_path, settings) as server, ExitStack() as stack:
        idle = connected(server, stack)
        idle.sendall(BEGINNING)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < HANDSHAKE_SECONDS
        assert idle.recv(1) == b""
        assert server.errors() == []
