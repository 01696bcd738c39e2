"""Tests of the metrics and of the access to them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import OperationFailure

import core.metrics.database
from core.app import create_app
from core.metrics import Counter
from core.metrics.database import watched
from core.settings import Settings
from tests.conftest import AppClient, sign_in
from tests.core.stubs import SIGNED_IN, things
from tests.measured import REQUESTS, told
from tests.processes import until

TOKEN = "hunter2-of-the-scraper-of-metrics"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
HERE = ("127.0.0.1", 50000)


def client_at(address: str | None, **settings: object) -> TestClient:
    """Return a client with this address, of an app whose lifespan has not started."""
    app = create_app(Settings.model_validate(settings), [things()])
    at = (address, 50000) if address else None
    return TestClient(app, "http://localhost", raise_server_exceptions=False, client=at)  # type: ignore[arg-type]


@pytest.fixture
def local() -> TestClient:
    return client_at("127.0.0.1")


def text_of(client: TestClient) -> str:
    answer = client.get("/metrics", headers={"Authorization": ""})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize(
    ("request_line", "method", "route", "status"),
    [
        ("GET /things", "GET", "/things", "200"),
        ("GET /things?limit=x", "GET", "/things", "422"),
        ("HEAD /things", "HEAD", "/things", "200"),
        ("PUT /things/hunter2", "PUT", "/things/{name}", "200"),
        ("GET /failures/bug", "GET", "/failures/{kind}", "500"),
        ("GET /nowhere/hunter2", "GET", "unknown", "404"),
        ("BREW /things", "other", "/things", "405"),
        ("BREW /nowhere/hunter2", "other", "unknown", "404"),
    ],
)
def test_a_request_is_counted_by_method_template_and_status(
    local: TestClient, request_line: str, method: str, route: str, status: str
) -> None:
    before = told(REQUESTS, method=method, route=route, status=status)
    everything = told(REQUESTS)
    local.request(*request_line.split(), headers=SIGNED_IN)
    assert told(REQUESTS, method=method, route=route, status=status) == before + 1
    assert told(REQUESTS) == everything + 1
    assert "hunter2" not in text_of(local)


def test_an_aborted_response_counts_with_its_status(local: TestClient) -> None:
    before = told(REQUESTS, route="/broken-off", status="200")
    local.get("/broken-off")
    assert told(REQUESTS, route="/broken-off", status="200") == before + 1


def test_the_histogram_contains_the_duration_of_requests(local: TestClient) -> None:
    local.get("/things", headers=SIGNED_IN)
    labels = {"method": "GET", "route": "/things", "status": "200"}
    total = told("http_request_duration_seconds_sum", **labels)
    assert 0 < total < 60 * told(REQUESTS, **labels)
    assert told("http_request_duration_seconds_bucket", le="+Inf", **labels) == told(REQUESTS, **labels)


def test_a_request_is_in_flight_until_its_response_is_sent(local: TestClient) -> None:
    assert "\nhttp_requests_in_flight 1.0\n" in text_of(local)  # the request for the metrics itself
    local.get("/failures/bug")
    local.get("/broken-off")
    assert told("http_requests_in_flight") == 0


def test_a_metric_of_a_module_is_exported_without_registration(local: TestClient) -> None:
    enrolments = Counter("course_enrolments_total", "Enrolments in courses.")
    try:
        enrolments.inc()
        assert "\ncourse_enrolments_total 1.0\n" in text_of(local)
    finally:
        REGISTRY.unregister(enrolments)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_this_machine_has_access(address: str) -> None:
    assert client_at(address).get("/metrics").status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "::ffff:192.0.2.1", "2001:db8::1", "testclient", None])
def test_without_a_token_other_machines_have_no_access(address: str | None) -> None:
    answer = client_at(address).get("/metrics", headers=WITH_TOKEN)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/metrics-hidden")
    assert answer.headers["Content-Type"] == "application/problem+json"


PROXY_HEADERS = ["X-Forwarded-For", "x-forwarded-server", "X-Forwarded", "Forwarded", "X-Real-IP", "Via", "X-Client-IP"]


@pytest.mark.parametrize("name", [*PROXY_HEADERS, "X-Original-Forwarded-For", "X-Envoy-Peer", "CF-Connecting-IP"])
def test_without_a_token_there_is_no_access_through_a_proxy(local: TestClient, name: str) -> None:
    assert local.get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_without_a_token_this_machine_has_access_by_any_of_its_names(local: TestClient, host: str) -> None:
    assert local.get("/metrics", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8000"},
        {"Host": "localhost.example"},
        {"Host": "192.0.2.1"},
        {"Host": ""},
        {"Origin": "http://rebound.example"},
        {"Origin": "null"},
    ],
)
def test_without_a_token_pages_of_other_sites_have_no_access(local: TestClient, headers: dict[str, str]) -> None:
    answer = local.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/metrics-hidden")


@pytest.mark.parametrize(("token", "is_logged"), [(None, True), (SecretStr(TOKEN), False)])
def test_a_missing_token_is_logged_at_startup(
    settings: Settings, token: SecretStr | None, is_logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings.model_copy(update={"metrics_token": token, "log_level": "INFO"})
    with caplog.at_level("INFO"), TestClient(create_app(given)):
        pass
    assert ("METRICS_TOKEN is not set" in caplog.text) is is_logged


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"])
@pytest.mark.parametrize(
    ("given", "challenge"),
    [
        (None, "Bearer"),
        ("Bearer hunter2", 'Bearer error="invalid_token"'),
        (f"Bearer {TOKEN}x", 'Bearer error="invalid_token"'),
        (f"Basic {TOKEN}", 'Bearer error="invalid_token"'),
        ("Bearer \xfc", 'Bearer error="invalid_token"'),
    ],
)
def test_with_a_token_there_is_no_access_without_it(address: str, given: str | None, challenge: str) -> None:
    client = client_at(address, metrics_token=TOKEN)
    headers = {b"Authorization": given.encode("latin-1")} if given else None
    answer = client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/metrics-token-needed")
    assert answer.headers["WWW-Authenticate"] == challenge
    assert TOKEN not in answer.text


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-For": "192.0.2.9"}])
def test_with_the_token_every_client_has_access(headers: dict[str, str]) -> None:
    client = client_at("192.0.2.1", metrics_token=TOKEN)
    assert client.get("/metrics", headers=headers | WITH_TOKEN).status_code == 200
    assert client.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


PLAIN = "text/plain; version=0.0.4; charset=utf-8"
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "media_type", "end"),
    [
        ("*/*", PLAIN, "\n"),
        ("text/html", PLAIN, "\n"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores", "\n"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores", "# EOF\n"),
        ("application/openmetrics-text;version=abc", PLAIN, "\n"),
        ("text/plain;version=1..0", PLAIN, "\n"),
    ],
)
def test_the_response_is_in_the_requested_format(local: TestClient, accept: str, media_type: str, end: str) -> None:
    answer = local.get("/metrics", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
    assert answer.text.endswith(end)


OPERATIONS = "mongodb_operation_duration_seconds_count"


def test_the_operations_of_the_database_are_counted(client: TestClient) -> None:
    found, stored = (
        told(OPERATIONS, operation="find", outcome="ok"),
        told(OPERATIONS, operation="insert", outcome="ok"),
    )
    token = sign_in(client)
    assert token.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201
    assert token.get("/students/S1").status_code == 200
    assert told(OPERATIONS, operation="find", outcome="ok") >= found + 2  # the user and the student
    assert told(OPERATIONS, operation="insert", outcome="ok") > stored


def test_an_operation_that_fails_is_counted(client: TestClient) -> None:
    before = told(OPERATIONS, operation="find", outcome="failed")

    async def ask() -> None:
        await client.app.state.database._client.admin["any"].find_one({"$brew": 1})  # type: ignore[attr-defined]

    assert client.portal
    with pytest.raises(OperationFailure):
        client.portal.call(ask)
    assert told(OPERATIONS, operation="find", outcome="failed") == before + 1
    assert "brew" not in text_of_started(client)


def test_a_duplicate_key_does_not_count_as_a_failure(client: TestClient) -> None:
    failed, stored = told(OPERATIONS, outcome="failed"), told(OPERATIONS, operation="insert", outcome="ok")
    statuses = [
        sign_in(client).post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code,
        client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code,
    ]
    assert statuses == [201, 409]
    assert told(OPERATIONS, outcome="failed") == failed
    assert told(OPERATIONS, operation="insert", outcome="ok") >= stored + 2


def text_of_started(client: TestClient) -> str:
    return text_of(TestClient(client.app, "http://localhost", client=HERE))


PIPELINE = [
    {"$documents": [{"n": 1}]},
    {"$set": {"n": {"$function": {"body": "function() { sleep(3000); return 1; }", "args": [], "lang": "js"}}}},
]


@pytest.mark.anyio
@pytest.mark.usefixtures("no_app")
async def test_the_connections_of_the_database_are_counted(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.metrics.database, "PAUSE_SECONDS", 0.02)
    with MongoClient[dict[str, Any]](mongodb_url) as database:
        async with watched(database):
            query = asyncio.to_thread(database.admin.command, {"aggregate": 1, "pipeline": PIPELINE, "cursor": {}})
            running = asyncio.create_task(query)
            await asyncio.to_thread(until, lambda: told("mongodb_pool_connections_in_use") == 1)
            assert told("mongodb_pool_connections_open") == 1
            await running
            await asyncio.to_thread(until, lambda: told("mongodb_pool_connections_in_use") == 0)
            assert told("mongodb_pool_connections_open") == 1
            assert told("mongodb_pool_connections_waiting") == 0
    assert told("mongodb_pool_connections_open") == 0


@pytest.mark.usefixtures("no_app")
def test_no_connection_is_counted_after_shutdown(settings: Settings) -> None:
    with TestClient(create_app(settings)):
        until(lambda: told("mongodb_pool_connections_open") > 0)
    assert told("mongodb_pool_connections_open") == 0


def test_the_metrics_contain_no_personal_data(open_client: AppClient) -> None:
    name = f"hunter{uuid4().hex}"
    client = sign_in(open_client(metrics_token=SecretStr(TOKEN)), name, "correct-hunter2-horse")
    client.post("/students", json={"roll_no": "hunter2", "name": "hunter2", "branch": "hunter2"})
    client.get("/students/hunter2", params={"hunter2": "hunter2"})
    client.post("/login", data={"username": "hunter2", "password": "hunter2-hunter2"})
    text = client.get("/metrics", headers=WITH_TOKEN).text
    assert 'route="/students/{roll_no}"' in text
    assert "hunter" not in text
    assert "testclient" not in text
    assert client.headers["Authorization"].split()[1] not in text
