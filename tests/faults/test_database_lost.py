"""The database is lost under load, for 12 s or OUTAGE_SECONDS.

No acknowledged write is lost, requests do not pile up, nothing leaks, and the service recovers by itself.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import monotonic

import httpx2
import pytest

from core.database.availability import MAX_WAIT_SECONDS
from modules.analytics import query_concurrency
from tests.processes import ROOT
from tests.relay import Relay
from tests.servers import PATIENCE, Server, launch

pytestmark = pytest.mark.process

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "12"))
RATE = 40
"""Requests per second, even while earlier ones are not answered."""
THREADS = 100
"""How many threads and connections the driver may have (`MOTOR_MAX_WORKERS` and `maxPoolSize`)."""

ACCOUNT = {"username": "alice", "email": "alice@example.com", "password": "giraffe-9-umbrella"}


@pytest.fixture
def server(relay: Relay, database_name: str, tmp_path: Path) -> Iterator[Server]:
    app = ["-m", "uvicorn", "tests.faults.watched_app:app", "--app-dir", str(ROOT), "--port", "0"]
    server = launch(tmp_path, *app, MONGODB_URL=relay.url(), MONGODB_DATABASE=database_name)
    yield server
    assert server.stop() == 0


@dataclass
class Load:
    """Requests at a steady rate: creations, reads, lists and statistics in turn."""

    client: httpx2.AsyncClient
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    answers: list[tuple[float, float, int]] = field(default_factory=list)
    """For each response: when the request was sent, how many seconds it took, and the status."""
    statistics: list[float] = field(default_factory=list)
    """The seconds of the requests for statistics, which have a longer time-out than others."""
    created: list[str] = field(default_factory=list)
    in_flight: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            number = next(self.numbers)
            task = asyncio.create_task(self._ask(number), name="statistics" if number % 4 == 3 else "other")
            self.in_flight.add(task)
            task.add_done_callback(self.in_flight.discard)
            await asyncio.sleep(1 / RATE)

    async def _ask(self, number: int) -> None:
        begun = monotonic()
        roll_no = f"S{number}"
        match number % 4:
            case 0:
                student = {"roll_no": roll_no, "name": "x", "branch": "y", "marks": {"math": 1}}
                answer = await self.client.post("/students", json=student)
                self.created += [roll_no] if answer.status_code == 201 else []
            case 1:
                answer = await self.client.get("/students/S0")
            case 2:
                answer = await self.client.get("/students?limit=5")
            case _:
                answer = await self.client.get("/statistics")
        assert answer.status_code != 503 or int(answer.headers["Retry-After"]) >= 1
        took = monotonic() - begun
        self.answers.append((begun, took, answer.status_code))
        if number % 4 == 3:
            self.statistics.append(took)

    def since(self, begun: float, end: float = float("inf")) -> list[tuple[float, int]]:
        """Return the seconds and statuses of the requests that were sent in this period."""
        return [(took, status) for when, took, status in self.answers if begun <= when < end]


def resources_of(server: Server) -> dict[str, int]:
    """Return the resources of the service while there is no other request."""
    with server.client() as client:
        found: dict[str, int] = client.get("/resources").json()
        return found


async def sign_in(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/register", json=ACCOUNT)).status_code == 201
    token = (await client.post("/login", data=ACCOUNT)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    student = {"roll_no": "S0", "name": "x", "branch": "y", "marks": {}}
    assert (await client.post("/students", json=student)).status_code == 201


@dataclass
class Outage:
    """What was measured of an outage: when it began and ended, and how many requests were in flight."""

    begun: float = 0
    ended: float = 0
    max_in_flight: int = 0
    in_flight_at_end: Counter[str] = field(default_factory=Counter)
    """How many requests for statistics, and how many others."""
    recovery: float = 0
    """Seconds until the service was ready again."""


async def lose_database(relay: Relay, load: Load) -> Outage:
    """Shut the relay for SECONDS under load, and wait until the service is ready again."""
    outage = Outage(begun=monotonic())
    await asyncio.to_thread(relay.shut)
    running = asyncio.create_task(load.run(SECONDS))
    while not running.done():
        outage.max_in_flight = max(outage.max_in_flight, len(load.in_flight))
        assert (await load.client.get("/healthz")).status_code == 200
        await asyncio.sleep(0.25)
    outage.in_flight_at_end = Counter(task.get_name() for task in load.in_flight)
    await asyncio.to_thread(relay.start)
    outage.ended = monotonic()
    while (await load.client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    outage.recovery = monotonic() - outage.ended
    return outage


async def under_load(relay: Relay, server: Server) -> tuple[Load, Outage, dict[str, int]]:
    """Run an outage with some load before and after it. Return both, and the resources of the service before it."""
    limits = httpx2.Limits(max_connections=1000)
    async with httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
        await sign_in(client)
        load = Load(client)
        await load.run(2)
        await asyncio.gather(*load.in_flight)
        before = await asyncio.to_thread(resources_of, server)
        outage = await lose_database(relay, load)
        await load.run(2)
        await asyncio.gather(*load.in_flight)
        for roll_no in load.created:
            assert (await client.get(f"/students/{roll_no}")).status_code == 200, "an acknowledged student is missing"
    return load, outage, before


def test_an_outage_under_load(server: Server, relay: Relay, capsys: pytest.CaptureFixture[str]) -> None:
    load, outage, before = asyncio.run(under_load(relay, server))
    after = resources_of(server)
    fast = load.since(outage.begun + MAX_WAIT_SECONDS + 1.5, outage.ended - 0.5)
    slowest, slowest_statistics = max(took for took, _ in fast), max(load.statistics)
    slowest_of_others = max({took for _, took, _ in load.answers} - set(load.statistics))
    statuses = Counter(status for _, _, status in load.answers)
    with capsys.disabled():
        print(
            f"\nLost for {SECONDS:g} s at {RATE} requests per second: responses {dict(statuses)}, the slowest after "
            f"{slowest_of_others:.1f} s ({slowest_statistics:.1f} s for statistics); once the outage was known, "
            f"{len(fast)}, the slowest after {slowest:.3f} s; in flight {outage.max_in_flight} at most and "
            f"{dict(outage.in_flight_at_end)} at the end; ready again after {outage.recovery:.2f} s; "
            f"{len(load.created)} created, none lost; resources {before} before and {after} after"
        )
    assert statuses.keys() <= {200, 201, 503}
    assert {status for _, status in load.since(0, outage.begun)} <= {200, 201}
    assert {status for _, status in fast} == {503}
    assert slowest < MAX_WAIT_SECONDS, "nothing waits for a server that is known to be unreachable"
    assert slowest_of_others < 3 * MAX_WAIT_SECONDS + 1, "waits for a server, and again for a write"
    assert slowest_statistics < query_concurrency.TIMEOUT_SECONDS + 3
    assert outage.max_in_flight <= RATE * (2 * MAX_WAIT_SECONDS + 2), "no more than arrive until the time-outs"
    assert outage.in_flight_at_end["other"] <= RATE, "requests must not pile up"
    assert outage.in_flight_at_end["statistics"] <= RATE // 4 * (MAX_WAIT_SECONDS + 2), "from before it was known"
    assert outage.recovery < 10
    assert {status for _, status in load.since(outage.ended + outage.recovery)} <= {200, 201}
    assert_nothing_leaks(before, after)
    assert relay.connections <= THREADS + 3, "one for each thread, and those with which the driver monitors the server"
    text = server.log.read_text()
    assert text.count("The database is unreachable") == text.count("The database is reachable again") == 1
    assert "Traceback" not in text


def assert_nothing_leaks(before: dict[str, int], after: dict[str, int]) -> None:
    assert after["tasks"] <= before["tasks"]
    # Each of the driver's threads may have started and opened a connection; both are kept.
    assert after["threads"] <= before["threads"] + THREADS
    assert after["files"] <= before["files"] + THREADS
