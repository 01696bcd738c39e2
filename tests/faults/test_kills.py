"""The service is killed repeatedly under load and loses nothing; when asked to stop, it ends its requests properly."""

import os
import random
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from tests.core.test_backup import command
from tests.faults.load import MARKS, Load, check_written, sign_in
from tests.processes import ROOT, kill, until
from tests.replica_set import free_port
from tests.servers import Server, launch, serve

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("API_KILLS", "8"))
MAIN = str(ROOT / "main.py")
UVICORN = ["-m", "uvicorn", "main:app", "--app-dir", str(ROOT), "--timeout-graceful-shutdown", "10"]


def test_no_write_is_lost_duplicated_or_partial_when_the_service_is_killed(tmp_path: Path) -> None:
    environment = MARKS | {"PORT": str(free_port())}
    chance, took = random.Random(8), []
    server = launch(tmp_path, MAIN, **environment)
    try:
        with Load(server.url) as load:
            for _ in range(KILLS):
                load.wait_for_writes(chance.randint(1, 60))
                server.kill()
                killed = monotonic()
                server = launch(tmp_path, MAIN, **environment)
                took.append(load.recovery(killed))
                assert server.errors() == [], server.log.read_text()
            load.wait_for_writes()
        print(f"\n{KILLS} kills, back after {min(took):.2f} to {max(took):.2f} s, {load.summary()}")
        check_written(server.url, load)
        assert "No problems found." in command(tmp_path, "check", "--data", **MARKS)
    finally:
        server.stop()


def test_a_worker_that_is_killed_is_replaced_and_loses_nothing(tmp_path: Path) -> None:
    with serve(tmp_path, WORKERS="2", **MARKS) as server:
        with Load(server.url) as load:
            for _ in range(3):
                load.wait_for_writes()
                before = set(workers(server))
                kill(before.pop())
                load.wait_for_writes()
                until(partial(has_replaced, server, before))
        print(f"\n3 workers killed, {load.summary()}")
        check_written(server.url, load)


def has_replaced(server: Server, left: set[int]) -> bool:
    """Return whether there is exactly one worker more than those that were left."""
    now = set(workers(server))
    return left < now and len(now) == len(left) + 1


def workers(server: Server) -> list[int]:
    """Return the worker processes of the server."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    found = []
    for child in children:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since it was listed
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


@pytest.fixture(params=["main.py", "main.py, 2 workers", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    environment = {"PORT": str(free_port()), "WORKERS": "2" if "2" in request.param else "1"}
    words = [*UVICORN, "--port", environment["PORT"]] if request.param == "uvicorn" else [MAIN]
    server = launch(tmp_path, *words, **environment)
    yield server
    if server.process.poll() is None:
        server.kill()


def test_requests_are_answered_and_imports_interrupted_before_the_service_ends(server: Server, tmp_path: Path) -> None:
    """A request that was accepted is answered; a long import is interrupted, so that it can be resumed later."""
    rows = 12_000
    lines = "".join(f"S{number:05},Student {number},Physics,{number % 101}\n" for number in range(rows))
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async"}
    with server.client() as client:
        token = str(sign_in(client).headers["Authorization"])
        with half_sent(server, token) as (request, rest):
            content = f"roll_no,name,branch,math\n{lines}"
            address = client.post("/imports", content=content, headers=headers).headers["Location"]
            until(lambda: client.get("/students?limit=1").json())
            server.process.send_signal(signal.SIGTERM)
            until(lambda: not accepts(server))
            request.sendall(rest)
            assert request.makefile("rb").readline() == b"HTTP/1.1 201 Created\r\n"
    assert server.process.wait(20) == 0
    assert server.errors() == [], server.log.read_text()

    with serve(tmp_path) as again, again.client() as client:
        sign_in(client)
        left = client.get(address).json()
        assert (left["state"], left["percent"] < 100) == ("interrupted", True)
        finished = client.post(f"{address}/resume").json()
        assert (finished["state"], finished["created"]) == ("done", rows)
        assert client.get("/students/S").status_code == 200
        assert client.get(f"/students/S{rows - 1}").status_code == 200


@contextmanager
def half_sent(server: Server, token: str) -> Iterator[tuple[socket.socket, bytes]]:
    """Send the head of a request for a new student. Yield the connection, and the body, which is not sent yet."""
    body = b'{"roll_no": "S", "name": "n", "branch": "b"}'
    url = httpx2.URL(server.url)
    with socket.create_connection((url.host, url.port or 0), timeout=60) as connection:
        head = f"POST /students HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        yield connection, body


def accepts(server: Server) -> bool:
    url = httpx2.URL(server.url)
    try:
        socket.create_connection((url.host, url.port or 0)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_an_unfinished_request_does_not_delay_the_end(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        with server.client() as client:
            token = str(sign_in(client).headers["Authorization"])
        with half_sent(server, token) as (request, _):
            server.process.send_signal(signal.SIGTERM)
            answer = request.makefile("rb").read()
        assert server.process.wait(20) == 0
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1\r\n" in answer
    assert b"\r\ncontent-type: application/problem+json\r\n" in answer
    assert server.errors(), "the log must contain that the request was cancelled"
