"""Tests of the protection of browsers: allowed hosts, CORS, security headers and caching."""

import pytest
from fastapi.testclient import TestClient

from core.app import create_app
from core.settings import Settings
from tests.core.stubs import JSON, SIGNED_IN, things, unstarted_client

APP = "https://app.example"
PREFLIGHT = {"Origin": APP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("api.example", 200),
        ("API.example:8443", 200),
        ("a.school.example", 200),
        ("a.b.school.example", 200),
        ("[::1]:8000", 200),
        ("school.example", 400),
        ("evilschool.example", 400),
        ("api.example.evil", 400),
        ("evil", 400),
        ("", 400),
        ("*.school.example", 200),
    ],
)
def test_only_allowed_hosts_are_served(host: str, status: int) -> None:
    client = unstarted_client(allowed_hosts="api.example,*.school.example,[::1]")
    answer = client.get("/things", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_by_default_any_host_is_served_and_no_other_origin_is_allowed() -> None:
    client = unstarted_client()
    answer = client.get("/things", headers={"Host": "anything", "Origin": APP})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = client.options("/things", headers=PREFLIGHT)
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def names_of_middleware(**settings: object) -> set[str]:
    app = create_app(Settings.model_validate(settings), [things()])
    return {middleware.cls.__name__ for middleware in app.user_middleware}  # type: ignore[attr-defined]


def test_middleware_is_added_only_if_it_is_configured() -> None:
    more = names_of_middleware(allowed_hosts="a", cors_origins=APP) - names_of_middleware()
    assert more == {"TrustedHost", "CrossOrigin"}


def test_an_allowed_origin_can_send_requests_and_read_documented_headers() -> None:
    client = unstarted_client(cors_origins=APP)
    preflight = client.options("/things/x", headers=PREFLIGHT)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (200, APP)
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    assert "authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert preflight.headers["X-Request-ID"]

    answer = client.get("/things", headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert {"X-Request-ID", "Retry-After"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in answer.headers

    refused = client.post("/things", content="{", headers={"Origin": APP, **JSON})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (422, APP)

    other_origin = client.get("/things", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other_origin.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example"},
        {"Access-Control-Request-Method": "BREW"},
        {"Access-Control-Request-Private-Network": "true"},
    ],
    ids=" ".join,
)
def test_a_refused_preflight_is_a_problem_document(changed: dict[str, str]) -> None:
    refused = unstarted_client(cors_origins=APP).options(
        "/things", headers={**PREFLIGHT, "X-Request-ID": "mine", **changed}
    )
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")
    assert (refused.json()["type"], refused.json()["request_id"]) == ("/problems/bad-request", "mine")
    assert int(refused.headers["Content-Length"]) == len(refused.content)
    assert refused.headers["X-Request-ID"] == "mine"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert "Origin" in refused.headers["Vary"]
    assert refused.headers.get("Access-Control-Allow-Origin") != "https://evil.example"


def test_a_wildcard_origin_never_allows_credentials() -> None:
    answer = unstarted_client(cors_origins="*").get("/things", headers={"Origin": APP, "Cookie": "a=b"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_credentials_can_be_allowed_for_an_origin() -> None:
    answer = unstarted_client(cors_origins=APP, cors_credentials=True).get("/things", headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize(
    "path", ["/", "/things", "/nowhere", "/failures/bug", "/docs", "/static/pages.css", "/healthz"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_response_has_security_headers(path: str, scheme: str) -> None:
    client = TestClient(
        unstarted_client().app, base_url=f"{scheme}://testserver", raise_server_exceptions=False, headers=SIGNED_IN
    )
    answer = client.get(path)
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_list("Referrer-Policy") == ["no-referrer"]
    over_tls = ["max-age=31536000"] if scheme == "https" else []
    assert answer.headers.get_list("Strict-Transport-Security") == over_tls


@pytest.mark.parametrize(
    ("path", "cache_control"),
    [("/", "no-store"), ("/nowhere", "no-store"), ("/static/pages.css", "no-cache"), ("/redoc.js", "no-cache")],
)
def test_only_files_of_the_documentation_can_be_cached(path: str, cache_control: str) -> None:
    answer = unstarted_client().get(path)
    assert answer.headers.get_list("Cache-Control") == [cache_control]
    if cache_control == "no-cache":
        not_modified = unstarted_client().get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (not_modified.status_code, not_modified.headers.get_list("Cache-Control")) == (304, [cache_control])


def test_documentation_can_be_disabled() -> None:
    client = unstarted_client(docs="off")
    for path in ("/docs", "/redoc", "/redoc.js", "/openapi.json", "/problems", "/problems/not-found", "/static/x"):
        assert client.get(path).status_code == 404, path
    greeting = client.get("/", headers={"Accept": "text/html"})
    assert greeting.json() == {"message": "Welcome to the Student Management API", "health": "/readyz"}
