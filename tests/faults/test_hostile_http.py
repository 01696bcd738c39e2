"""Requests that violate HTTP, byte for byte, against the service as a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.raw import CHUNKED, CHUNKS, Raw, get, post
from tests.processes import until
from tests.servers import Server, serve
from tests.test_serving import signed_in

pytestmark = pytest.mark.process

LIMIT = 1_000_000
EXPECTS = "Expect: 100-continue"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("hostile")) as server:
        yield server
        assert "Traceback" not in server.log.read_text()
        assert not [line for line in server.log_lines() if line["level"] not in ("INFO", "WARNING")]


@pytest.fixture
def raw(server: Server) -> Iterator[Raw]:
    with Raw(server) as raw:
        yield raw


# Requests that two parsers could understand differently, so that one sees a request where the other sees a body.
SMUGGLING = {
    "two lengths": post("/register", "Content-Length: 2", "Content-Length: 3") + "{}",
    "the same length twice": post("/register", "Content-Length: 2", "Content-Length: 2") + "{}",
    "a list of lengths": post("/register", "Content-Length: 2, 2") + "{}",
    "a length and chunks": post("/register", "Content-Length: 2", CHUNKED) + CHUNKS,
    "chunks and a length": post("/register", CHUNKED, "Content-Length: 2") + CHUNKS,
    "chunked twice": post("/register", CHUNKED, CHUNKED) + CHUNKS,
    "chunked, but not last": post("/register", CHUNKED + ", gzip") + CHUNKS,
    "chunks in HTTP/1.0": post("/register", CHUNKED).replace("/1.1", "/1.0") + CHUNKS,
    "a length with a sign": post("/register", "Content-Length: +2") + "{}",
    "a negative length": post("/register", "Content-Length: -2") + "{}",
    "a length in hexadecimal": post("/register", "Content-Length: 0x2") + "{}",
    "a length beyond 64 bits": post("/register", "Content-Length: 99999999999999999999") + "{}",
    "no length": post("/register", "Content-Length: ") + "{}",
    "a space before the colon": post("/register", "Content-Length : 2") + "{}",
    "a folded header": get("/healthz", "X-A: b", " c"),
    "a lone line feed": get("/healthz", "X-A: b\nX-C: d"),
    "a lone carriage return": get("/healthz", "X-A: b\rX-C: d"),
    "a zero byte": get("/healthz", "X-A: \0"),
    "a chunk size with a prefix": post("/register", CHUNKED) + CHUNKS.replace("2", "0x2"),
    "a chunk size beyond 64 bits": post("/register", CHUNKED) + "f" * 20 + "\r\n{}",
    "a chunk that is longer than its size": post("/register", CHUNKED) + "2\r\n{}}}\r\n0\r\n\r\n",
    "no host": get("/healthz").replace("Host", "X-Host"),
    "two hosts": get("/healthz", "Host: y"),
    "an invalid host": get("/healthz").replace("Host: x", "Host: x/y@z"),
    "an invalid header name": get("/healthz", "X(A): b"),
    "a target without a slash": "GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": get("/healthz").replace("/1.1", "/1.7"),
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("sent", SMUGGLING.values(), ids=SMUGGLING)
def test_an_ambiguous_request_is_refused_and_closes_the_connection(raw: Raw, sent: str) -> None:
    raw.send(sent + get("/healthz"))  # this part must not be read as a request
    answer = raw.answer()
    assert (answer.status, answer.headers["connection"], answer.problem()["type"]) == (
        400,
        "close",
        "/problems/bad-request",
    )
    assert raw.is_closed()


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity", "xchunked"])
def test_an_unknown_transfer_encoding_is_refused(raw: Raw, coding: str) -> None:
    raw.send(post("/register", f"Transfer-Encoding: {coding}") + CHUNKS + get("/healthz"))
    assert raw.answer().problem()["status"] == 501
    assert raw.is_closed()


def test_a_trailer_is_not_read_as_a_header(raw: Raw) -> None:
    raw.send(post("/register", CHUNKED) + "2\r\n{}\r\n0\r\nX-Request-ID: trailer\r\nHost: y\r\n\r\n")
    answer = raw.answer()
    assert (answer.status, answer.headers["x-request-id"] == "trailer") == (422, False)


def test_responses_to_requests_before_an_invalid_one_are_not_lost(raw: Raw, server: Server) -> None:
    raw.send(get("/readyz") + get("/nowhere", "X-Request-ID: seen") + "nonsense\r\n\r\n")
    assert [raw.answer().status for _ in range(3)] == [200, 404, 400]
    assert raw.is_closed()
    assert any(line.get("status") == 400 and line.get("method") == "-" for line in server.log_lines())


def test_a_response_before_the_body_is_read_closes_the_connection(raw: Raw) -> None:
    raw.send(post("/students", "Content-Length: 100") + "{")
    answer = raw.answer()
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    raw.send(" " * 99 + get("/healthz"))
    assert raw.is_closed()


def test_three_requests_in_one_packet_get_three_answers_in_order(raw: Raw) -> None:
    raw.send(get("/readyz") + get("/healthz").replace("GET", "HEAD") + get("/nowhere"))
    first, second, third = raw.answer(), raw.answer(to="HEAD"), raw.answer()
    assert [first.status, second.status, third.status] == [200, 200, 404]
    assert b"database" in first.body
    assert int(second.headers["content-length"]) > 0
    raw.send(get("/healthz"))
    assert raw.answer().status == 200


def test_of_many_requests_in_one_packet_those_beyond_a_hundred_are_refused(raw: Raw) -> None:
    raw.send(get("/healthz") * 5000)
    statuses = [raw.answer().status for _ in range(102)]
    assert statuses == [200] * 101 + [503]
    assert raw.is_closed()


def test_options_and_head_requests_are_answered(raw: Raw) -> None:
    raw.send(get("/students").replace("GET", "OPTIONS") + get("/students").replace("GET", "HEAD"))
    options, head = raw.answer(), raw.answer(to="HEAD")
    assert (options.status, options.headers["allow"], head.status) == (204, "GET, HEAD, OPTIONS, POST", 401)


def test_expect_100_continue_gets_100_or_an_error(raw: Raw) -> None:
    raw.send(post("/register", "Content-Length: 2", EXPECTS))
    assert raw.answer().status == 100
    raw.send("{}")
    assert raw.answer().status == 422
    raw.send(post("/register", f"Content-Length: {LIMIT + 1}", EXPECTS))
    assert raw.answer().status == 413
    assert raw.is_closed()


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_upgrade_to_another_protocol_is_ignored(raw: Raw, protocol: str) -> None:
    raw.send(get("/healthz", "Connection: Upgrade", f"Upgrade: {protocol}") * 3)
    assert [raw.answer().status for _ in range(3)] == [200, 200, 200]


HIDDEN = get("/healthz")


@pytest.mark.parametrize("separately", [False, True], ids=["in one piece", "in two"])
@pytest.mark.parametrize(
    ("header", "body"),
    [
        (f"Content-Length: {len(HIDDEN)}", HIDDEN),
        ("Transfer-Encoding: chunked", f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunks"],
)
@pytest.mark.parametrize("protocol", ["websocket", "h2c", "x"])
def test_the_body_of_an_upgrade_request_is_not_read_as_a_request(
    raw: Raw, protocol: str, header: str, body: str, *, separately: bool
) -> None:
    head = post("/register", "Connection: Upgrade", f"Upgrade: {protocol}", header)
    for piece in (head, body) if separately else (head + body,):
        raw.send(piece)
    assert raw.answer().status == 400
    assert raw.is_closed()


def test_a_body_of_any_method_is_read_to_its_end(raw: Raw) -> None:
    raw.send(get("/healthz", "Content-Length: 50") + get("/readyz").ljust(50)[:50] + get("/nowhere"))
    assert [raw.answer().status, raw.answer().status] == [200, 404]


def test_http_1_0_is_answered_once(raw: Raw) -> None:
    raw.send("GET /healthz HTTP/1.0\r\n\r\n")
    assert raw.answer().status == 200
    assert raw.is_closed()


@pytest.mark.parametrize("path", ["/register", "/students"])
def test_an_incomplete_body_is_not_a_server_error(raw: Raw, server: Server, path: str) -> None:
    with signed_in(server) as client:
        token = f"Authorization: {client.headers['Authorization']}"
    id_ = f"half-of{path.replace('/', '-')}"
    raw.send(post(path, "Content-Length: 100", f"X-Request-ID: {id_}", token) + "{")
    raw.__exit__()
    line = until(lambda: next((line for line in server.log_lines() if line.get("id") == id_), None))
    assert line["status"] == 400


def test_uvicorn_refuses_the_same_with_the_protocol_as_an_option(tmp_path: Path) -> None:
    with serve(tmp_path, "--http", "core.server.protocol:Connection") as server, Raw(server) as raw:
        raw.send(SMUGGLING["no host"])
        assert raw.answer().problem()["type"] == "/problems/bad-request"
