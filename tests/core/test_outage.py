"""While the database is away the service says so, and when it is back the service goes on by itself."""

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from tests.conftest import AppClient, sign_in
from tests.relay import Relay

STUDENT = {"roll_no": "S1", "name": "x", "branch": "y", "marks": {}}


@pytest.fixture
def relayed(relay: Relay, open_client: AppClient) -> TestClient:
    """A signed-in client of a service whose database can go away."""
    url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true&timeoutMS=1000"
    return sign_in(open_client(mongodb_url=Settings.model_validate({"mongodb_url": url}).mongodb_url))


def test_an_outage_is_told_and_survived(relayed: TestClient, relay: Relay) -> None:
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
        assert answer.json()["detail"] == "The database does not answer."
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
        assert "127.0.0.1" not in answer.text
    assert relayed.get("/healthz").status_code == 200

    relay.start()
    # Each try waits until the driver gives up, so these are seconds.
    assert any(relayed.get("/readyz").status_code == 200 for _ in range(30))
    statuses = [relayed.request(method, path, **sent).status_code for method, path, sent in requests]  # type: ignore[arg-type]
    assert statuses == [200, 201, 200]
