"""A database that is slow, or does not answer at all though it takes connections: every wait ends, and the server is
told how long it may take."""

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
USUAL, PATIENT = 5.0, 60.0
"""What core.database.client allows for a command, and for work that nobody waits for at a browser."""

AT_ONCE = 60
"""Twice as many requests as there are threads to ask the database in."""

# Not asked for a client: by the driver for itself, and by the feed, which waits for news on purpose.
OF_THE_DRIVER = {"hello", "ismaster", "endSessions", "killCursors"}


@pytest.fixture
def server(relay: Relay, database_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    """With these options in the address: by default, a time-out for short tests."""
    options = getattr(request, "param", {"timeoutMS": round(TIMEOUT * 1000)})
    with serve(
        tmp_path, MONGODB_URL=relay.url(**options), MONGODB_DATABASE=database_name, AUTH_CACHE_SECONDS="0"
    ) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    """A client, signed in, with a student."""
    with server.client() as client:
        assert client.post("/register", json=ACCOUNT).status_code == 201
        token = client.post("/login", data=ACCOUNT).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        assert client.post("/students", json={"roll_no": "S1", **STUDENT}).status_code == 201
        yield client


def ask_all(client: httpx2.Client) -> list[int]:
    """Reads, lists, aggregations and writes of all kinds; their statuses."""
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


@pytest.mark.parametrize("server", [{}], indirect=True, ids=["as it is"])
def test_whatever_is_asked_has_an_end(client: httpx2.Client, relay: Relay) -> None:
    relay.commands.clear()
    assert {status // 100 for status in ask_all(client)} == {2}
    kinds = Counter(next(iter(command)) for command in asked(relay))
    assert {"find", "aggregate", "insert", "update", "delete"} <= kinds.keys()
    assert [command for command in asked(relay) if not 0 < command.get("maxTimeMS", 0) <= PATIENT * 1000] == []

    relay.commands.clear()
    client.patch("/students/S2", json={"name": "z"})
    client.get("/students")
    assert len(asked(relay)) >= 4
    assert max(command["maxTimeMS"] for command in asked(relay)) <= USUAL * 1000, "what has no more time than usual"


def asked(relay: Relay) -> list[dict[str, Any]]:
    return [command for command in relay.commands if next(iter(command)) not in OF_THE_DRIVER]


def ask_at_once(client: httpx2.Client) -> list[tuple[float, int]]:
    """Many reads and writes; how long each took, and its status."""

    def ask(number: int) -> tuple[float, int]:
        begun = time.monotonic()
        body = {"roll_no": f"T{time.monotonic_ns()}", **STUDENT}
        answer = client.post("/students", json=body) if number % 2 else client.get("/students/S1")
        return time.monotonic() - begun, answer.status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def test_slow_answers_are_not_waited_for(client: httpx2.Client, relay: Relay, server: Server) -> None:
    relay.delay = TIMEOUT * 1.5  # not too slow for the driver to see that the server is there
    answers = ask_at_once(client)
    assert {status for _, status in answers} == {503}
    assert max(took for took, _ in answers) < 10, "for a thread, and for an answer, and once more to write"
    refused = client.get("/readyz")
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
    assert client.get("/healthz").status_code == 200

    relay.delay = 0
    until(lambda: client.get("/readyz").status_code == 200, within=20)
    assert {status for _, status in ask_at_once(client)} == {200, 201}
    assert "Traceback" not in server.log.read_text()


def test_a_server_that_hangs_is_known_to_be_away(client: httpx2.Client, relay: Relay, server: Server) -> None:
    relay.delay = 3600
    until(lambda: "The database is unreachable" in server.log.read_text(), within=30)
    begun = time.monotonic()
    answers = ask_at_once(client)
    assert {status for _, status in answers} == {503}
    assert time.monotonic() - begun < 3, "at once, all of them"

    relay.shut()  # what hangs never answers
    relay.delay = 0
    relay.start()
    until(lambda: client.get("/readyz").status_code == 200, within=20)
    assert {status for _, status in ask_at_once(client)} == {200, 201}
