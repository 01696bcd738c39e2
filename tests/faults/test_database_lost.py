"""A database that goes away under load, for SECONDS (12, unless OUTAGE_SECONDS says otherwise): nothing acknowledged is
lost, nothing piles up, nothing leaks, and the service goes on by itself."""

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

from core.database.availability import PATIENCE_SECONDS
from modules.analytics import query_concurrency
from tests.processes import ROOT
from tests.relay import Relay
from tests.servers import PATIENCE, Server, launch

pytestmark = pytest.mark.process

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "12"))
RATE = 40
"""Requests a second, whatever becomes of those before."""
THREADS = 32
"""As many as core.database.client lets the driver have."""

ACCOUNT = {"username": "alice", "email": "alice@example.com", "password": "giraffe-9-umbrella"}


@pytest.fixture
def server(relay: Relay, database_name: str, tmp_path: Path) -> Iterator[Server]:
    app = ["-m", "uvicorn", "tests.faults.watched_app:app", "--app-dir", str(ROOT), "--port", "0"]
    server = launch(tmp_path, *app, MONGODB_URL=relay.url(), MONGODB_DATABASE=database_name)
    yield server
    assert server.stop() == 0


@dataclass
class Load:
    """Requests that come at a steady rate: creations, reads, lists and counts in turn, until told to end."""

    client: httpx2.AsyncClient
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    answers: list[tuple[float, float, int]] = field(default_factory=list)
    """When each was asked, how long it took, and its status."""
    statistics: list[float] = field(default_factory=list)
    """How long those took that have more time than others."""
    created: list[str] = field(default_factory=list)
    under_way: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, seconds: float) -> None:
        end = monotonic() + seconds
        while monotonic() < end:
            task = asyncio.create_task(self._ask(next(self.numbers)))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)
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
        """How long those took that were asked in this time, and their statuses."""
        return [(took, status) for when, took, status in self.answers if begun <= when < end]


def held(server: Server) -> dict[str, int]:
    """What the service holds while nobody else asks."""
    with server.client() as client:
        found: dict[str, int] = client.get("/holds").json()
        return found


async def sign_in(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/register", json=ACCOUNT)).status_code == 201
    token = (await client.post("/login", data=ACCOUNT)).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    student = {"roll_no": "S0", "name": "x", "branch": "y", "marks": {}}
    assert (await client.post("/students", json=student)).status_code == 201


@dataclass
class Course:
    """What was seen of an outage: when the database went, and came back; and the most requests that were under way, and
    how many at its end."""

    gone: float = 0
    back: float = 0
    most: int = 0
    left: int = 0
    recovered: float = 0
    """Seconds until the service was ready again."""


async def lose(relay: Relay, load: Load) -> Course:
    """Shut the relay for SECONDS under load, and await that the service is ready again."""
    course = Course(gone=monotonic())
    await asyncio.to_thread(relay.shut)
    running = asyncio.create_task(load.run(SECONDS))
    while not running.done():
        course.most = max(course.most, len(load.under_way))
        assert (await load.client.get("/healthz")).status_code == 200
        await asyncio.sleep(0.25)
    course.left = len(load.under_way)
    await asyncio.to_thread(relay.start)
    course.back = monotonic()
    while (await load.client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    course.recovered = monotonic() - course.back
    return course


async def under_load(relay: Relay, server: Server) -> tuple[Load, Course, dict[str, int]]:
    """An outage with a while of load before and after it; and what the service holds before it."""
    limits = httpx2.Limits(max_connections=1000)
    async with httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE, limits=limits) as client:
        await sign_in(client)
        load = Load(client)
        await load.run(2)
        await asyncio.gather(*load.under_way)
        before = await asyncio.to_thread(held, server)
        course = await lose(relay, load)
        await load.run(2)
        await asyncio.gather(*load.under_way)
        for roll_no in load.created:
            assert (await client.get(f"/students/{roll_no}")).status_code == 200, "it was acknowledged"
    return load, course, before


def test_an_outage_under_load(server: Server, relay: Relay, capsys: pytest.CaptureFixture[str]) -> None:
    load, course, before = asyncio.run(under_load(relay, server))
    after = held(server)
    fast = load.since(course.gone + PATIENCE_SECONDS + 1.5, course.back - 0.5)
    slowest, slowest_statistics = max(took for took, _ in fast), max(load.statistics)
    slowest_of_others = max({took for _, took, _ in load.answers} - set(load.statistics))
    statuses = Counter(status for _, _, status in load.answers)
    with capsys.disabled():
        print(
            f"\nAway for {SECONDS:g} s at {RATE} requests a second: answered {dict(statuses)}, the slowest after "
            f"{slowest_of_others:.1f} s ({slowest_statistics:.1f} s for statistics); once it was known, {len(fast)}, "
            f"the slowest {slowest:.3f} s; under way {course.most} at most and {course.left} at its end; back "
            f"after {course.recovered:.2f} s; {len(load.created)} created, none lost; held {before} before and {after} "
            "after"
        )
    assert statuses.keys() <= {200, 201, 503}
    assert {status for _, status in load.since(0, course.gone)} <= {200, 201}
    assert {status for _, status in fast} == {503}
    assert slowest < 1
    assert slowest_of_others < 3 * PATIENCE_SECONDS + 1, "for a thread, for a server, and once more to write"
    assert slowest_statistics < query_concurrency.SECONDS + 3
    assert course.most <= RATE * (2 * PATIENCE_SECONDS + 2), "no more than come while it is waited out"
    assert course.left <= RATE, "and those are answered"
    assert course.recovered < 10
    assert {status for _, status in load.since(course.back + course.recovered)} <= {200, 201}
    assert_nothing_leaks(before, after)
    assert relay.connections <= THREADS + 3, "one for each thread, and those by which the driver looks after the server"
    text = server.log.read_text()
    assert text.count("The database is unreachable") == text.count("The database is reachable again") == 1
    assert "Traceback" not in text


def assert_nothing_leaks(before: dict[str, int], after: dict[str, int]) -> None:
    assert after["tasks"] <= before["tasks"]
    # Each of the driver's threads may have come, and have taken a connection; they are kept.
    assert after["threads"] <= before["threads"] + THREADS
    assert after["files"] <= before["files"] + THREADS
