"""Tests of the service as a whole: welcome message, health and request ids."""

import re

import pytest
from fastapi.testclient import TestClient

from tests.core.stubs import JSON, unstarted_client


def test_root_returns_the_welcome_message(client: TestClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.json()["message"]) == (200, "Welcome to the Student Management API")


def test_healthz_needs_no_database() -> None:
    answer = unstarted_client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readyz_queries_the_database(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"database": "ok"}})


@pytest.mark.parametrize("given", ["a", "b9f3c1a2-d4e5.4f6a_8b7c", "x" * 128])
def test_a_valid_request_id_is_returned(given: str) -> None:
    assert unstarted_client().get("/", headers={"X-Request-ID": given}).headers.get_list("X-Request-ID") == [given]


@pytest.mark.parametrize("given", [b"", b"a b", b"a\nb", b"a\n", b"x" * 129, "é".encode(), b'"', b"a,b", b"../x"])
def test_an_invalid_request_id_is_replaced(given: bytes) -> None:
    (answered,) = unstarted_client().get("/", headers={b"X-Request-ID": given}).headers.get_list("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", answered)


def test_each_request_gets_an_id_of_its_own() -> None:
    client = unstarted_client()
    assert client.get("/").headers["X-Request-ID"] != client.get("/").headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("GET", "/static/nowhere", {}, 404),
        ("PUT", "/things/x", {"headers": {"Authorization": ""}}, 401),
        ("PATCH", "/things", {}, 405),
        ("POST", "/things", {"content": b"x" * 101, "headers": JSON}, 413),
        ("POST", "/things", {"json": {}}, 422),
        ("GET", "/failures/bug", {}, 500),
        ("GET", "/failures/away", {}, 503),
    ],
)
def test_an_error_carries_the_request_id(method: str, path: str, sent: dict[str, object], status: int) -> None:
    client = unstarted_client(max_body_bytes=100)
    client.headers["X-Request-ID"] = "mine"
    answer = client.request(method, path, **sent)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers.get_list("X-Request-ID"), answer.json()["request_id"]) == (
        status,
        ["mine"],
        "mine",
    )


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/students", "GET, HEAD, OPTIONS, POST"),
        ("/students/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/login", "OPTIONS, POST"),
    ],
)
def test_allow_lists_every_method_of_the_path(client: TestClient, path: str, allowed: str) -> None:
    answer = client.request("TRACE", path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    asked = client.options(path)
    assert (asked.status_code, asked.headers["Allow"], asked.content) == (204, allowed, b"")
