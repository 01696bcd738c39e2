"""What browsers, and those who lead them astray, are told: names of the host, other origins, careful headers."""

import pytest
from fastapi.testclient import TestClient

from core.app import create_app
from core.settings import Settings
from tests.core.stubs import JSON, SIGNED_IN, things, unopened

APP = "https://app.example"
ASKS = {"Origin": APP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}


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
def test_only_the_allowed_names_are_answered_to(host: str, status: int) -> None:
    client = unopened(allowed_hosts="api.example,*.school.example,[::1]")
    answer = client.get("/things", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_by_default_any_name_is_answered_to_and_no_other_origin() -> None:
    client = unopened()
    answer = client.get("/things", headers={"Host": "anything", "Origin": APP})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = client.options("/things", headers=ASKS)
    assert not [name for name in asked.headers if name.startswith("access-control")]


def names_of_middleware(**settings: object) -> set[str]:
    app = create_app(Settings.model_validate(settings), [things()])
    return {middleware.cls.__name__ for middleware in app.user_middleware}  # type: ignore[attr-defined]


def test_what_is_not_asked_for_stands_in_no_requests_way() -> None:
    more = names_of_middleware(allowed_hosts="a", cors_origins=APP) - names_of_middleware()
    assert more == {"TrustedHost", "CrossOrigin"}


def test_pages_of_a_named_origin_may_call_and_read_the_headers_that_are_documented() -> None:
    client = unopened(cors_origins=APP)
    asked = client.options("/things/x", headers=ASKS)
    assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, APP)
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"]
    assert asked.headers["X-Request-ID"]

    answer = client.get("/things", headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert {"X-Request-ID", "Retry-After"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Access-Control-Allow-Credentials" not in answer.headers

    refused = client.post("/things", content="{", headers={"Origin": APP, **JSON})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (422, APP)

    stranger = client.get("/things", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example"},
        {"Access-Control-Request-Method": "BREW"},
        {"Access-Control-Request-Private-Network": "true"},
    ],
    ids=" ".join,
)
def test_a_refused_preflight_is_a_problem_like_every_other_error(changed: dict[str, str]) -> None:
    refused = unopened(cors_origins=APP).options("/things", headers={**ASKS, "X-Request-ID": "mine", **changed})
    assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")
    assert (refused.json()["type"], refused.json()["request_id"]) == ("/problems/bad-request", "mine")
    assert int(refused.headers["Content-Length"]) == len(refused.content)
    assert refused.headers["X-Request-ID"] == "mine"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert "Origin" in refused.headers["Vary"]
    assert refused.headers.get("Access-Control-Allow-Origin") != "https://evil.example"


def test_any_origin_may_call_but_never_with_credentials() -> None:
    answer = unopened(cors_origins="*").get("/things", headers={"Origin": APP, "Cookie": "a=b"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_named_origin_may_have_credentials() -> None:
    answer = unopened(cors_origins=APP, cors_credentials=True).get("/things", headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Origin"] == APP


@pytest.mark.parametrize(
    "path", ["/", "/things", "/nowhere", "/failures/bug", "/docs", "/static/pages.css", "/healthz"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_answer_tells_browsers_to_be_careful(path: str, scheme: str) -> None:
    client = TestClient(
        unopened().app, base_url=f"{scheme}://testserver", raise_server_exceptions=False, headers=SIGNED_IN
    )
    answer = client.get(path)
    assert answer.headers.get_list("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_list("Referrer-Policy") == ["no-referrer"]
    over_tls = ["max-age=31536000"] if scheme == "https" else []
    assert answer.headers.get_list("Strict-Transport-Security") == over_tls


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/", "no-store"), ("/nowhere", "no-store"), ("/static/pages.css", "no-cache"), ("/redoc.js", "no-cache")],
)
def test_only_files_of_the_documentation_may_be_kept_by_caches(path: str, kept: str) -> None:
    answer = unopened().get(path)
    assert answer.headers.get_list("Cache-Control") == [kept]
    if kept == "no-cache":
        known = unopened().get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert (known.status_code, known.headers.get_list("Cache-Control")) == (304, [kept])


def test_documentation_can_be_switched_off() -> None:
    client = unopened(docs="off")
    for path in ("/docs", "/redoc", "/redoc.js", "/openapi.json", "/problems", "/problems/not-found", "/static/x"):
        assert client.get(path).status_code == 404, path
    greeting = client.get("/", headers={"Accept": "text/html"})
    assert greeting.json() == {"message": "Welcome to the Student Management API", "health": "/readyz"}
