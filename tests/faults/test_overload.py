"""More requests, and more connections, than the service takes on: some are answered in time, others refused at once."""

import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.faults.raw import Answer, Raw, get, many, post
from tests.processes import mongods, until
from tests.servers import Server, serve
from tests.test_serving import signed_in

pytestmark = pytest.mark.process

# So long the service waits for its database.
PATIENCE_OF_THE_DATABASE = 5.0


def token_of(server: Server) -> str:
    with signed_in(server) as client:
        return f"Authorization: {client.headers['Authorization']}"


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """While these processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def allowed_files(count: int) -> Iterator[None]:
    """While processes may have no more files open, unless they ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_refusal(answer: Answer) -> bool:
    problem = answer.problem()
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    return bool(problem["type"] == "/problems/unavailable")


def test_of_500_requests_at_once_20_are_answered_and_480_are_refused_at_once(tmp_path: Path) -> None:
    """The database stands still meanwhile, so that no request is done before all have come."""
    with serve(tmp_path, MAX_CONCURRENT_REQUESTS="20") as server, many(server, 500) as connections:
        token = token_of(server)
        with stopped(*mongods(tmp_path / "data")):
            began = time.monotonic()
            for connection in connections:
                connection.send(get("/students/S1", token))
            refused = [connection.answer() for connection in connections[20:]]  # those before were taken, and wait
            refused_within = time.monotonic() - began
            connections[-1].send(get("/healthz"))
            assert connections[-1].answer().status == 200
        assert all(map(is_refusal, refused))
        assert [connection.answer().status for connection in connections[:20]] == [404] * 20
        answered_within = time.monotonic() - began

        connections[-1].send(get("/students/S1", token))  # the connection outlived its refusal
        assert connections[-1].answer().status == 404
    print(f"480 refused within {refused_within:.2f} s, 20 answered within {answered_within:.2f} s")
    assert answered_within < PATIENCE_OF_THE_DATABASE


def test_under_a_lasting_load_every_request_is_answered_or_refused(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONCURRENT_REQUESTS="20") as server, many(server, 200) as connections:
        token = token_of(server)
        statuses: Counter[int] = Counter()
        slowest = 0.0
        for _ in range(10):
            began = time.monotonic()
            for connection in connections:
                connection.send(get("/students/S1", token))
            for connection in connections:
                answer = connection.answer()
                assert answer.status == 404 or is_refusal(answer)
                statuses[answer.status] += 1
            slowest = max(slowest, time.monotonic() - began)
        assert server.log.read_text().count('"ERROR"') == 0
    print(f"{dict(statuses)}; the slowest of ten rounds of 200 took {slowest:.2f} s")
    assert statuses[404] >= 10 * 20
    assert slowest < 10


def test_clients_that_are_slow_to_send_take_no_place_from_others(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONCURRENT_REQUESTS="2") as server, many(server, 10) as slow, Raw(server) as quick:
        token = token_of(server)
        for count, connection in enumerate(slow, 1):
            connection.send(post("/students", "Content-Length: 100", token) + "{")
            until(partial(are_under_way, quick, count))
        quick.send(get("/students/S1", token))
        assert quick.answer().status == 404
        assert are_under_way(quick, 10)


def are_under_way(connection: Raw, count: int) -> bool:
    """Whether so many requests are, besides the one that asks."""
    connection.send(get("/metrics").replace("Host: x", "Host: localhost"))
    return f"\nhttp_requests_in_flight {count + 1}.0\n".encode() in connection.answer().body


def test_connections_beyond_the_limit_are_told_so(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONNECTIONS="50") as server, many(server, 50) as taken, many(server, 100) as beyond:
        for connection in [*taken, *beyond]:
            connection.send(get("/", "Accept: application/json"))
        assert [connection.answer().status for connection in taken] == [200] * 50
        for connection in beyond:
            answer = connection.answer()
            assert is_refusal(answer)
            assert answer.headers["connection"] == "close"
            assert connection.is_closed()

        for connection in taken:
            connection.__exit__()
        until(lambda: answers(server))


def answers(server: Server) -> bool:
    with Raw(server) as connection:
        connection.send(get("/", "Accept: application/json"))
        return connection.answer().status == 200


def test_probes_are_answered_on_connections_beyond_the_limit(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONNECTIONS="1") as server, many(server, 3), Raw(server) as connection:
        connection.send(get("/readyz"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_of_far_too_many_connections_nothing_is_read(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONNECTIONS="1") as server, many(server, 501), Raw(server) as connection:
        assert is_cut(connection)


def is_cut(connection: Raw) -> bool:
    try:
        connection.send(get("/healthz"))
        return connection.is_closed()
    except ConnectionError:
        return True


def test_a_thousand_idle_connections_stop_nobody_and_are_closed(tmp_path: Path) -> None:
    """The service is started where 600 open files are allowed, and asks for more."""
    with allowed_files(600), serve(tmp_path) as server:
        token = token_of(server)
        with allowed_files(3000), many(server, 1000) as idle:
            for connection in idle:
                connection.send(get("/healthz"))
            assert [connection.answer().status for connection in idle] == [200] * 1000
            began = time.monotonic()
            for _ in range(20):
                with Raw(server) as connection:
                    connection.send(get("/students/S1", token))
                    assert connection.answer().status == 404
            others_within = time.monotonic() - began
            assert all(connection.is_closed() for connection in idle)
            closed_after = time.monotonic() - began
    print(f"beside 1,000 idle: 20 answered within {others_within:.2f} s; all idle closed after {closed_after:.1f} s")
    assert others_within < 5
