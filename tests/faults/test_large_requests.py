"""Requests with any part that is too large, against the service as a process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.raw import CHUNKED, CHUNKS, Raw, get, post
from tests.servers import Server, serve
from tests.test_serving import signed_in
from tests.test_serving_settings import certificate

pytestmark = pytest.mark.process

KB = 1024
LIMIT = 1_000_000
IMPORT_LIMIT = 4_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("large"), IMPORT_MAX_BYTES=str(IMPORT_LIMIT)) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def raw(server: Server) -> Iterator[Raw]:
    with Raw(server) as raw:
        yield raw


HEADS: dict[str, Callable[[int], str]] = {
    "a header": lambda size: get("/healthz", "X-A: " + "a" * size),
    "many headers": lambda size: get("/healthz", *["X-A: " + "a" * 95] * (size // 102)),
    "a target": lambda size: get("/healthz?" + "a" * size),
    "a header name": lambda size: get("/healthz", "a" * size + ": a"),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_request_head_above_32_kb_is_refused(server: Server, head: Callable[[int], str]) -> None:
    for size, statuses in ((31 * KB, {200, 422}), (33 * KB, {431}), (400 * KB, {431})):  # 422: an unknown parameter
        with Raw(server) as raw:
            raw.send(head(size))
            answer = raw.answer()
            assert answer.status in statuses
            if answer.status == 431:
                answer.problem()
                assert raw.is_closed()


@pytest.mark.parametrize("start", [get("/x")[:-2], post("/register", CHUNKED) + CHUNKS[:-2]], ids=["head", "trailer"])
def test_an_endless_header_is_refused(raw: Raw, start: str) -> None:
    raw.send(start + "X-A: " + "a" * 300 * KB)
    assert raw.answer().problem()["status"] == 431
    assert raw.is_closed()


Body = Callable[[int], Iterator[str]]


def with_length(size: int) -> Iterator[str]:
    yield f"Content-Length: {size}"
    yield from [" " * KB] * (size // KB)


def chunked(size: int) -> Iterator[str]:
    yield CHUNKED
    yield from [f"400\r\n{' ' * KB}\r\n"] * (size // KB)
    yield "0\r\n\r\n"


@pytest.mark.parametrize("more", ["", "Connection: close", "Connection: keep-alive"])
@pytest.mark.parametrize("body", [with_length, chunked])
def test_a_client_that_sends_the_whole_of_a_too_large_body_gets_the_413(raw: Raw, body: Body, more: str) -> None:
    """Most clients send the whole body before they read. If the connection were reset, they would lose the response."""
    head, *pieces = body(8 * LIMIT)
    raw.send(post("/register", head, *[more] if more else []))
    for piece in pieces:
        raw.send(piece)
    answer = raw.answer()
    assert (answer.problem()["type"], answer.headers["connection"]) == ("/problems/body-too-large", "close")
    assert str(LIMIT) in answer.problem()["detail"]
    assert raw.is_closed()


@pytest.mark.parametrize("body", [with_length, chunked])
def test_an_import_has_a_limit_of_its_own(server: Server, body: Body) -> None:
    with signed_in(server) as client:
        token = f"Authorization: {client.headers['Authorization']}"
    for size, too_large in ((2 * LIMIT, False), (IMPORT_LIMIT + LIMIT, True)):
        with Raw(server) as raw:
            head, *pieces = body(size)
            raw.send(post("/imports", head, token).replace("application/json", "application/x-ndjson"))
            for piece in pieces:
                raw.send(piece)
            problem = raw.answer().problem()
            assert (problem["status"] == 413) is too_large
            assert (str(IMPORT_LIMIT) in problem.get("detail", "")) is too_large


def test_a_client_gets_the_413_over_tls_too(tmp_path: Path) -> None:
    with serve(tmp_path, **certificate(tmp_path)) as server, Raw(server) as raw:
        raw.send(post("/register", CHUNKED))
        for piece in list(chunked(8 * LIMIT))[1:]:
            raw.send(piece)
        assert raw.answer().problem()["status"] == 413
