"""A database that is slow, or accepts connections but never answers: every wait ends, and every command has a time
limit for the server."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.processes import until
from tests.relay import Relay
from tests.servers import Server, serve

pytestmark = pytest.mark.process

ACCOUNT = {"username": "alice", "email": "alice@example.com", "password": "giraffe-9-umbrella"}
STUDENT = {"name": "x", "branch": "y", "marks": {"math": 1}}

TIMEOUT = 1.0
DEFAULT_SECONDS, LONG_RUNNING_SECONDS = 5.0, 60.0
"""The seconds that core.database.client allows for a command, and for long-running work."""

CONCURRENT_REQUESTS = 60
"""Twice as many as the driver has threads."""

# Commands that the driver sends by itself, and not for a request.
DRIVER_COMMANDS = {"hello", "ismaster", "endSessions", "killCursors"}


@pytest.fixture
def server(relay: Relay, database_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Start a server with these options in its MONGODB_URL: by default, a time-out that is short enough for tests."""
    options = getattr(request, "param", {"timeoutMS": round(TIMEOUT * 1000)})
    with serve(
        tmp_path, MONGODB_URL=relay.url(**options), MONGODB_DATABASE=database_name, AUTH_CACHE_SECONDS="0"
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    """Store a student. Return a signed-in client."""
    with server.client() as client:
        assert client.post("/register", json=ACCOUNT).status_code == 201
        token = client.post("/login", data=ACCOUNT).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.post("/students", json={"roll_no": "S1", **STUDENT}).status_code == 201
        yield client


def request_all(client: httpx2.Client) -> list[int]:
    """Send reads, lists, aggregations and writes of all kinds. Return the statuses."""
    answers = [
        client.get("/students/S1"),
        client.get("/students?count=true&q=x"),
        client.get("/statistics"),
        client.get("/rankings?by=total"),
        client.get("/report-cards/S1"),
        client.get("/students/S1/history"),
        client.get("/changes"),
        client.get("/me"),
        client.get("/exports/students"),
        client.patch("/students/S1", json={"name": "z"}),
        client.put("/students/S1/marks/math", json={"mark": 50}),
        client.post("/students/S1/rename", json={"roll_no": "S2"}),
        client.delete("/students/S2"),
        client.post("/students/S2/restore"),
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("server", [{}], indirect=True, ids=["default options"])
def test_every_command_has_a_time_limit(client: httpx2.Client, relay: Relay) -> None:
    relay.commands.clear()
    assert {status // 100 for status in request_all(client)} == {2}
    kinds = Counter(next(iter(command)) for command in commands_of_requests(relay))
    assert {"find", "aggregate", "insert", "update", "delete"} <= kinds.keys()
    assert [
        command
        for command in commands_of_requests(relay)
        if not 0 < command.get("maxTimeMS", 0) <= LONG_RUNNING_SECONDS * 1000
    ] == []

    relay.commands.clear()
    client.patch("/students/S2", json={"name": "z"})
    client.get("/students")
    assert len(commands_of_requests(relay)) >= 4
    assert max(command["maxTimeMS"] for command in commands_of_requests(relay)) <= DEFAULT_SECONDS * 1000, (
        "these commands have only the default time"
    )


def commands_of_requests(relay: Relay) -> list[dict[str, Any]]:
    return [command for command in relay.commands if next(iter(command)) not in DRIVER_COMMANDS]


def request_concurrently(client: httpx2.Client) -> list[tuple[float, int]]:
    """Send many reads and writes at once. Return the seconds and the status of each."""

    def ask(number: int) -> tuple[float, int]:
        begun = time.monotonic()
        body = {"roll_no": f"T{time.monotonic_ns()}", **STUDENT}
        answer = client.post("/students", json=body) if number % 2 else client.get("/students/S1")
        return time.monotonic() - begun, answer.status_code

    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
        return list(pool.map(ask, range(CONCURRENT_REQUESTS)))


def test_slow_commands_time_out(client: httpx2.Client, relay: Relay, server: Server) -> None:
    relay.delay = TIMEOUT * 1.5  # not too slow for the driver to see that the server is up
    answers = request_concurrently(client)
    assert {status for _, status in answers} == {503}
    assert max(took for took, _ in answers) < 10, "waits for a thread, for a response, and again for a write"
    refused = client.get("/readyz")
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
    assert client.get("/healthz").status_code == 200

    relay.delay = 0
    until(lambda: client.get("/readyz").status_code == 200, within=20)
    until(lambda: {status for _, status in request_concurrently(client)} == {200, 201}, within=20)
    assert "Traceback" not in server.log.read_text()


def test_a_database_that_hangs_is_treated_as_unreachable(client: httpx2.Client, relay: Relay, server: Server) -> None:
    relay.delay = 3600
    until(lambda: "The database is unreachable" in server.log.read_text(), within=30)
    begun = time.monotonic()
    answers = request_concurrently(client)
    assert {status for _, status in answers} == {503}
    assert time.monotonic() - begun < 3, "all requests must be refused immediately"

    relay.shut()  # the delayed responses never arrive
    relay.delay = 0
    relay.start()
    until(lambda: client.get("/readyz").status_code == 200, within=20)
    until(lambda: {status for _, status in request_concurrently(client)} == {200, 201}, within=20)
