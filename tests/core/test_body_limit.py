"""Tests of the limit of a body's size, with and without a Content-Length header."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from tests.conftest import AppClient
from tests.core.stubs import JSON, unstarted_client

LIMIT = 200
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def in_pieces(body: bytes) -> Iterator[bytes]:
    yield body  # the client sends no Content-Length for an iterator


@pytest.fixture
def auth_client(open_client: AppClient) -> TestClient:
    return open_client(max_body_bytes=LIMIT)


@pytest.mark.parametrize("has_length", [True, False], ids=["Content-Length", "chunked"])
@pytest.mark.parametrize(("path", "headers"), [("/register", JSON), ("/login", FORM)])
def test_a_body_above_the_limit_is_refused(
    auth_client: TestClient, path: str, headers: dict[str, str], has_length: bool
) -> None:
    body = b"x" * (LIMIT + 1)
    answer = auth_client.post(path, content=body if has_length else in_pieces(body), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json()["type"] == "/problems/body-too-large"
    assert str(LIMIT) in answer.json()["detail"]


@pytest.mark.parametrize("has_length", [True, False], ids=["Content-Length", "chunked"])
def test_a_body_of_exactly_the_limit_is_read(has_length: bool) -> None:
    body = b'{"name": "x"}'.ljust(LIMIT)
    answer = unstarted_client(max_body_bytes=LIMIT).post(
        "/things", content=body if has_length else in_pieces(body), headers=JSON
    )
    assert (answer.status_code, answer.json()["name"]) == (200, "x")


@pytest.mark.parametrize("length", ["9" * 30, "201", "0201"])
def test_a_content_length_above_the_limit_is_refused(length: str) -> None:
    answer = unstarted_client(max_body_bytes=LIMIT).post(
        "/things", content=b"{}", headers={**JSON, "Content-Length": length}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "x", "²"])
def test_an_invalid_content_length_does_not_disable_the_limit(length: str) -> None:
    headers = {b"Content-Type": b"application/json", b"Content-Length": length.encode("latin-1")}
    answer = unstarted_client(max_body_bytes=LIMIT).post("/things", content=b"x" * (LIMIT + 1), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("pieces", "read", "status"),
    [
        ([50, 50, 50, 50], 4, 200),
        ([50, 50, 50, 51, 50, 50], 4, 413),
        ([0, 0, 200, 0], 4, 200),
        ([199, 1, 1, 1], 3, 413),
    ],
)
def test_the_sum_of_all_pieces_counts_and_reading_stops_at_the_limit(pieces: list[int], read: int, status: int) -> None:
    left = [b" " * size for size in pieces]
    left[0] = b'{"name": "x"}'.ljust(pieces[0]) if pieces[0] else b""
    left[2] = left[2] if pieces[0] else b'{"name": "x"}'.ljust(pieces[2])
    sent: list[Message] = []

    async def receive() -> Message:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer valid")]
    scope = {"type": "http", "method": "POST", "path": "/things", "query_string": b"", "headers": headers}

    async def ask() -> None:
        await unstarted_client(max_body_bytes=LIMIT).app(scope, receive, send)

    asyncio.run(ask())
    assert (len(pieces) - len(left), sent[0]["status"]) == (read, status)
