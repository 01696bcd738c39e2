"""Tests of database outages: requests get 503 meanwhile, and the service recovers by itself."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

import core.database.availability
from tests.conftest import AppClient, sign_in
from tests.processes import until
from tests.relay import Relay

STUDENT = {"roll_no": "S1", "name": "x", "branch": "y", "marks": {}}


def client_through(relay: Relay, open_client: AppClient, milliseconds: int) -> TestClient:
    """Return a signed-in client of a service that connects through the relay, with this timeout of the driver."""
    return sign_in(open_client(mongodb_url=SecretStr(relay.url(timeoutMS=milliseconds))))


@pytest.fixture
def relayed(relay: Relay, open_client: AppClient) -> TestClient:
    return client_through(relay, open_client, 1000)


def test_requests_get_503_during_an_outage_and_succeed_afterwards(relayed: TestClient, relay: Relay) -> None:
    requests = [
        ("GET", "/readyz", {}),
        ("POST", "/students", {"json": STUDENT}),
        ("POST", "/login", {"data": {"username": "alice", "password": "secure123"}}),
    ]
    relay.shut()
    for method, path, sent in requests:
        answer = relayed.request(method, path, **sent)  # type: ignore[arg-type]
        assert (path, answer.status_code) == (path, 503)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["type"] == "/problems/unavailable"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
        assert "127.0.0.1" not in answer.text
    assert relayed.get("/healthz").status_code == 200

    relay.start()
    until(lambda: relayed.get("/readyz").status_code == 200)
    statuses = [relayed.request(method, path, **sent).status_code for method, path, sent in requests]  # type: ignore[arg-type]
    assert statuses == [200, 201, 200]


def test_requests_wait_during_a_short_outage(relay: Relay, open_client: AppClient) -> None:
    client = client_through(relay, open_client, 30_000)
    availability = client.app.state.availability  # type: ignore[attr-defined]
    relay.shut()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, "/students")
        until(lambda: availability._unreachable_since is not None)
        assert not availability.is_unavailable()
        assert not answer.done()
        relay.start()
        assert answer.result().status_code == 200
    until(lambda: availability._unreachable_since is None)


def test_requests_fail_fast_during_a_long_outage(
    relay: Relay, open_client: AppClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_through(relay, open_client, 60_000)
    monkeypatch.setattr(core.database.availability, "MAX_WAIT_SECONDS", 0.0)
    relay.shut()
    until(client.app.state.availability.is_unavailable)  # type: ignore[attr-defined]
    # Without the outage check, each request would wait for a minute.
    for path in ("/readyz", "/students", "/nowhere", "/healthz"):
        answer = client.get(path)
        assert answer.status_code == {"/nowhere": 404, "/healthz": 200}.get(path, 503)
    assert client.post("/login", data={"username": "alice", "password": "secure123"}).status_code == 503
    until(lambda: logged(caplog) == ["ERROR"])

    relay.start()
    until(lambda: client.get("/students").status_code == 200)
    until(lambda: logged(caplog) == ["ERROR", "WARNING"])


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the levels of the log records about the outage: its start is an error, its end a warning."""
    return [record.levelname for record in caplog.records if record.name == core.database.availability.__name__]


def test_a_service_without_a_server_has_no_outages() -> None:
    assert not core.database.availability.DatabaseAvailability().is_unavailable()
