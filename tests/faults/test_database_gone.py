"""The database is unreachable when the service starts: the service waits, logs it, and serves once it is reachable."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.processes import ROOT, until
from tests.relay import Relay
from tests.servers import PATIENCE, Server, start, stopped

pytestmark = pytest.mark.process

NEEDS_DATABASE = [
    ("GET", "/readyz"),
    ("GET", "/students"),
    ("POST", "/login"),
    ("POST", "/register"),
    ("POST", "/students"),
]
NEEDS_NO_DATABASE = ["/healthz", "/openapi.json", "/metrics"]
ACCOUNT = {"username": "alice", "email": "alice@example.com", "password": "giraffe-9-umbrella"}


@pytest.fixture
def shut(relay: Relay) -> Relay:
    relay.shut()
    return relay


@pytest.fixture
def waiting(shut: Relay, database_name: str, tmp_path: Path) -> Iterator[Server]:
    """Return a server that waits for its database."""
    with wait(shut.url(timeoutMS=1000), database_name, tmp_path) as server:
        yield server


@contextmanager
def wait(url: str, database: str, folder: Path) -> Iterator[Server]:
    """Start a server, and wait only until it listens."""
    with stopped(start(folder, str(ROOT / "main.py"), MONGODB_URL=url, MONGODB_DATABASE=database)) as server:
        server.wait_until_listening()
        yield server


def waiting_lines(server: Server) -> list[str]:
    """Return the log lines that say that the service waits for its database."""
    lines = [str(line["message"]) for line in server.log_lines()]
    return [line for line in lines if line.startswith("Waiting for the database.")]


def test_the_service_waits_for_its_database_and_then_serves(waiting: Server, shut: Relay) -> None:
    with waiting.client() as client:
        for method, path in NEEDS_DATABASE:
            answer = client.request(method, path, json={})
            assert (path, answer.status_code) == (path, 503)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["type"] == "/problems/unavailable"
        for path in NEEDS_NO_DATABASE:
            assert (path, client.get(path).status_code) == (path, 200)
        until(lambda: len(waiting_lines(waiting)) >= 3)
        assert len(set(waiting_lines(waiting))) == 1
        assert f"127.0.0.1:{shut.port}" in waiting_lines(waiting)[0]
        assert "Connection refused" in waiting_lines(waiting)[0]

        shut.start()
        until(lambda: client.get("/readyz").status_code == 200, within=10)
        assert client.post("/register", json=ACCOUNT).status_code == 201
        assert client.post("/login", data=ACCOUNT).status_code == 200
    assert waiting.stop() == 0


def test_a_waiting_service_can_be_stopped(waiting: Server) -> None:
    until(lambda: waiting_lines(waiting))
    assert waiting.stop() == 0
    assert "Traceback" not in waiting.log.read_text()


def assert_ended(server: Server, sentence: str) -> None:
    """Assert that the server ends by itself, with one line that contains the sentence."""
    assert server.process.wait(PATIENCE) == 3
    lines = [line for line in server.log_lines() if sentence in str(line["message"])]
    assert {(line["level"], "\n" in str(line["message"])) for line in lines} == {("ERROR", False)}
    assert not [word for word in ("Traceback", "hunter2") if word in server.log.read_text()]


def test_a_database_that_turns_out_to_be_newer_ends_the_process(
    waiting: Server, shut: Relay, mongodb_url: str, database_name: str
) -> None:
    with MongoClient[dict[str, object]](mongodb_url) as client:
        client[database_name].migrations.insert_one({"_id": "students/m9999_future"})
    shut.start()
    assert_ended(waiting, "students/m9999_future")


def test_a_database_that_refuses_the_password_ends_the_process(shut: Relay, database_name: str, tmp_path: Path) -> None:
    url = shut.url("user:hunter2@", timeoutMS=1000)
    with wait(url, database_name, tmp_path) as server:
        until(lambda: waiting_lines(server))
        shut.start()
        assert_ended(server, "Rejected by the MongoDB server at 127.0.0.1")


def test_a_host_that_does_not_exist_is_named(database_name: str, tmp_path: Path) -> None:
    with wait("mongodb://no-such-host.invalid/?timeoutMS=500", database_name, tmp_path) as server:
        line = until(lambda: waiting_lines(server))[0]
        assert "no-such-host.invalid" in line
        assert "not known" in line or "resolution" in line
