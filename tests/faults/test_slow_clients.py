"""Clients that send slowly: those that only hold a connection are disconnected, those on a slow line are not.

They run at once, because each of them waits for the service's time-outs of ten seconds.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.faults.raw import CHUNKED, CHUNKS, Raw, get, post
from tests.servers import Server, serve
from tests.test_serving import signed_in

pytestmark = pytest.mark.process

# The least and the most seconds after which a client must be disconnected.
EARLIEST, LATEST = 5.0, 30.0

STUDENT = b'{"roll_no": "S1", "name": "n", "branch": "b"}'.ljust(12_000)

# What a client sends, one piece per second.
Pieces = Callable[[], Iterator[str]]


def letters(text: str) -> Iterator[str]:
    return chain(text, repeat("a"))


SLOW: dict[str, Pieces] = {
    "a byte of the address": lambda: letters("GET /"),
    "a byte of a header": lambda: chain([get("/healthz")[:-2]], letters("X-A: ")),
    "a short header": lambda: chain([get("/healthz")[:-2]], repeat("X-A: b\r\n")),
    "a byte of the body": lambda: chain([post("/register", "Content-Length: 1000")], repeat(" ")),
    "a chunk of one byte": lambda: chain([post("/register", CHUNKED)], repeat("1\r\n \r\n")),
    "a byte of a trailer": lambda: chain([post("/register", CHUNKED) + CHUNKS[:-2]], letters("X-A: ")),
    "no more of the head": lambda: chain([get("/healthz")[:-2]], repeat("")),
    "no more of the body": lambda: chain([post("/register", "Content-Length: 1000") + "{"], repeat("")),
}
SILENT: dict[str, Pieces] = {
    "nothing": lambda: repeat(""),
    "empty lines": lambda: repeat("\r\n"),
}


def trickle(server: Server, pieces: Iterator[str]) -> tuple[int, float]:
    """Send the pieces until the server ends the connection.

    Return the status of the response, or 0 if there was none, and the seconds until then.
    """
    began = time.monotonic()
    with Raw(server) as raw:
        raw.socket.settimeout(1)
        try:
            for piece in pieces:
                raw.send(piece)
                if received := received_within_a_second(raw):
                    break
                assert time.monotonic() - began < LATEST
        except ConnectionError:
            received = b""
        return int(received.split()[1]) if received.strip() else 0, time.monotonic() - began


def received_within_a_second(raw: Raw) -> bytes:
    """Return what was received, or a line break if the connection has ended."""
    try:
        return raw.socket.recv(65536) or b"\n"
    except TimeoutError:
        return b""


def send_slowly(server: Server, token: str) -> int:
    """Send a student at a thousand bytes per second, for longer than the service's time-out. Return the status."""
    with Raw(server) as raw:
        raw.send(post("/students", f"Content-Length: {len(STUDENT)}", token))
        for start in range(0, len(STUDENT), 1000):
            raw.send(STUDENT[start : start + 1000])
            time.sleep(1)
        return raw.answer().status


def test_clients_that_only_hold_a_connection_are_disconnected_and_slow_ones_are_not(tmp_path: Path) -> None:
    with serve(tmp_path) as server, ThreadPoolExecutor(20) as pool:
        with signed_in(server) as client:
            token = f"Authorization: {client.headers['Authorization']}"
        honest = pool.submit(send_slowly, server, token)
        ended = {name: pool.submit(trickle, server, pieces()) for name, pieces in (SLOW | SILENT).items()}
        for name, future in ended.items():
            status, seconds = future.result()
            print(f"{name}: {status} after {seconds:.1f} s")
            assert (name, status) == (name, 408 if name in SLOW else 0)
            assert EARLIEST < seconds < LATEST, name
        assert honest.result() == 201
