"""More requests and connections than the limits: some are answered in time, and the others are refused immediately."""

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

# Seconds that the service waits for its database.
DATABASE_TIMEOUT = 5.0


def token_of(server: Server) -> str:
    with signed_in(server) as client:
        return f"Authorization: {client.headers['Authorization']}"


@contextmanager
def suspended(*pids: int) -> Iterator[None]:
    """Suspend these processes while the context is open."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def soft_file_limit(count: int) -> Iterator[None]:
    """Limit the open files of new processes, which they may raise, while the context is open."""
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


def test_of_500_concurrent_requests_20_are_answered_and_480_refused_immediately(tmp_path: Path) -> None:
    """The database is suspended meanwhile, so that no request ends before all have arrived."""
    with serve(tmp_path, MAX_CONCURRENT_REQUESTS="20") as server, many(server, 500) as connections:
        token = token_of(server)
        with suspended(*mongods(tmp_path / "data")):
            began = time.monotonic()
            for connection in connections:
                connection.send(get("/students/S1", token))
            refused = [connection.answer() for connection in connections[20:]]  # the first 20 were accepted, and wait
            refused_within = time.monotonic() - began
            connections[-1].send(get("/healthz"))
            assert connections[-1].answer().status == 200
        assert all(map(is_refusal, refused))
        assert [connection.answer().status for connection in connections[:20]] == [404] * 20
        answered_within = time.monotonic() - began

        connections[-1].send(get("/students/S1", token))  # the connection is still open after the refusal
        assert connections[-1].answer().status == 404
    print(f"480 refused within {refused_within:.2f} s, 20 answered within {answered_within:.2f} s")
    assert answered_within < DATABASE_TIMEOUT


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


def test_clients_that_send_slowly_do_not_count_towards_the_limit(tmp_path: Path) -> None:
    # Requests that the service is still authenticating count: rarely the last two, and never five.
    with serve(tmp_path, MAX_CONCURRENT_REQUESTS="5") as server:
        token = token_of(server)  # before the connections, which are closed if nothing is sent for long
        with many(server, 10) as slow, Raw(server) as quick:
            for count, connection in enumerate(slow, 1):
                connection.send(post("/students", "Content-Length: 100", token) + "{")
                until(partial(are_in_flight, quick, count))
            quick.send(get("/students/S1", token))
            assert quick.answer().status == 404
            assert are_in_flight(quick, 10)


def are_in_flight(connection: Raw, count: int) -> bool:
    """Return whether this many requests are in flight besides the one that is sent here."""
    connection.send(get("/metrics").replace("Host: x", "Host: localhost"))
    return f"\nhttp_requests_in_flight {count + 1}.0\n".encode() in connection.answer().body


def test_connections_beyond_the_limit_are_refused(tmp_path: Path) -> None:
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
        until(lambda: is_answering(server))


def is_answering(server: Server) -> bool:
    with Raw(server) as connection:
        connection.send(get("/", "Accept: application/json"))
        return connection.answer().status == 200


def test_probes_are_answered_on_connections_beyond_the_limit(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONNECTIONS="1") as server, many(server, 3), Raw(server) as connection:
        connection.send(get("/readyz"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")


def test_connections_far_beyond_the_limit_are_closed_unread(tmp_path: Path) -> None:
    with serve(tmp_path, MAX_CONNECTIONS="1") as server, many(server, 501), Raw(server) as connection:
        assert is_closed_unread(connection)


def is_closed_unread(connection: Raw) -> bool:
    try:
        connection.send(get("/healthz"))
        return connection.is_closed()
    except ConnectionError:
        return True


def test_a_thousand_idle_connections_do_not_block_others_and_are_closed(tmp_path: Path) -> None:
    """The service starts with a soft limit of 600 open files, and raises it."""
    with soft_file_limit(600), serve(tmp_path) as server:
        token = token_of(server)
        with soft_file_limit(3000), many(server, 1000) as idle:
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
