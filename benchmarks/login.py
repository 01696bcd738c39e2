"""Benchmark of logins, and of reads during a burst of logins, on a real server: `python -m benchmarks.login`.

The figures depend on the machine as much as on the code, so they are printed and never asserted. A response with an
unexpected status fails the run.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from asyncio import Future, Task
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2

from benchmarks.common import UnexpectedStatus, environment, expect, milliseconds_since, server, surroundings
from modules.auth.settings import AuthSettings
from tests.processes import ROOT
from tests.servers import PATIENCE

COST = AuthSettings.model_fields["bcrypt_cost"].default
ROUNDS = 40
BURSTS = 2
LOGINS = 32
READS_PER_SECOND = 50
QUIET_SECONDS = 5.0
TARGET_DIFFERENCE = 0.10
TARGET_RATIO = 3.0

ADMIN, KNOWN, INACTIVE, UNKNOWN = "principal", "known", "inactive", "unknown"
STORM = tuple(f"member{number}" for number in range(4))
RIGHT, WRONG = "violet-Harbour-271", "violet-Harbour-272"
# A wrong password of an existing account, an unknown account, and the correct password of an inactive account.
REFUSED = {"wrong password": (KNOWN, WRONG), "unknown user": (UNKNOWN, WRONG), "inactive user": (INACTIVE, RIGHT)}
# The default settings, except for limits that are too high to be reached.
LIMITS = ("LOGIN_FAILURES", "LOGIN_FAILURES_PER_ADDRESS", "LOGIN_ATTEMPTS_PER_ADDRESS", "REGISTRATIONS_PER_ADDRESS")
SETTINGS = {"BCRYPT_COST": str(COST), **dict.fromkeys(LIMITS, "1000000")}


@dataclass
class Storm:
    """The milliseconds of each read without and during bursts of logins, and the statuses of these logins."""

    quiet: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    logins: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Figures:
    """The reported figures. All times are in milliseconds."""

    login_medians: dict[str, float]
    login_ratios: dict[str, float]
    """The ratio of each median to that of a wrong password."""
    reads: dict[str, dict[str, float]]
    p99_ratio: float
    storm_logins: dict[int, int]


def make_admin(folder: Path) -> None:
    """Create the first admin with the command for it."""
    subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "core", "create-admin", ADMIN, "--email", f"{ADMIN}@example.com"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment(folder) | SETTINGS,
        input=RIGHT.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=PATIENCE,
    )


def prepare(client: httpx2.Client) -> None:
    """Sign the client in as the admin, and create the accounts, one of them inactive, and a student."""
    token = expect(client.post("/login", data={"username": ADMIN, "password": RIGHT}), 200).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    for name in (KNOWN, INACTIVE, *STORM):
        account = {"username": name, "email": f"{name}@example.com", "password": RIGHT}
        expect(client.post("/register", json=account), 201)
    expect(client.patch(f"/users/{INACTIVE}", json={"active": False}), 200)
    student = {"roll_no": "S101", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91, "art": 78.5}}
    expect(client.post("/students", json=student), 201)


def time_refusals(url: str) -> dict[str, list[float]]:
    """Return the milliseconds of each refused login by kind. The kinds alternate in a new random order each round, so
    that a periodic slowdown of the machine does not always affect the same kind."""
    times = defaultdict(list)
    shuffled = random.Random(1).sample  # noqa: S311  # no secret; the same orders in each run
    with httpx2.Client(base_url=url, timeout=PATIENCE) as client:
        for turn in range(ROUNDS + 1):
            for kind in shuffled(list(REFUSED), len(REFUSED)):
                took = time_refusal(client, *REFUSED[kind])
                if turn:  # the first only warms up
                    times[kind].append(took)
    return times


def time_refusal(client: httpx2.Client, username: str, password: str) -> float:
    """Return the milliseconds of one refused login."""
    start = time.perf_counter()
    answer = client.post("/login", data={"username": username, "password": password})
    took = milliseconds_since(start)
    expect(answer, 401)
    return took


async def measure_storm(url: str, headers: httpx2.Headers) -> Storm:
    """Measure reads without and with a burst of logins, alternately. A separate process sends the logins, so that they
    do not delay the reads."""
    storm, loop = Storm(), asyncio.get_running_loop()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE) as client:
            await loop.run_in_executor(pool, burst, url, 1)  # warms up
            await read_until(client, asyncio.ensure_future(asyncio.sleep(1)))
            for _ in range(BURSTS):
                storm.quiet += await read_until(client, asyncio.ensure_future(asyncio.sleep(QUIET_SECONDS)))
                logins = loop.run_in_executor(pool, burst, url, LOGINS)
                storm.during += await read_until(client, logins)
                storm.logins.update(await logins)
    return storm


async def read_until(client: httpx2.AsyncClient, end: "Future[Any]") -> list[float]:
    """Return the milliseconds of each read. Reads start at a constant rate until `end`, regardless of earlier ones."""
    reads: list[Task[float]] = []
    due = time.perf_counter()
    while not end.done():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        reads.append(asyncio.create_task(read(client, due)))
        due += 1 / READS_PER_SECOND
    return await asyncio.gather(*reads)


async def read(client: httpx2.AsyncClient, due: float) -> float:
    """Return the milliseconds of one read since it was due, so that a delayed start counts."""
    answer = await client.get("/students/S101")
    took = milliseconds_since(due)
    expect(answer, 200)
    return took


def burst(url: str, logins: int) -> list[int]:
    """Return the statuses of `logins` concurrent logins with the correct password."""
    return asyncio.run(log_in_at_once(url, logins))


async def log_in_at_once(url: str, logins: int) -> list[int]:
    """Send the logins of `burst`."""
    forms = [{"username": STORM[number % len(STORM)], "password": RIGHT} for number in range(logins)]
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        answers = await asyncio.gather(*(client.post("/login", data=form) for form in forms))
    return [expect(answer, 200, 429, 503).status_code for answer in answers]


def figures_of(refusals: dict[str, list[float]], storm: Storm) -> Figures:
    """Return the medians, percentiles and ratios."""
    medians = {kind: median(times) for kind, times in refusals.items()}
    reads = {"without": percentiles(storm.quiet), "during": percentiles(storm.during)}
    return Figures(
        login_medians=medians,
        login_ratios={kind: value / medians["wrong password"] for kind, value in medians.items()},
        reads=reads,
        p99_ratio=reads["during"]["p99"] / reads["without"]["p99"],
        storm_logins=dict(storm.logins),
    )


def percentiles(times: list[float]) -> dict[str, float]:
    """Return the number of times, their median, 99th percentile and maximum."""
    cuts = quantiles(times, n=100, method="inclusive")
    return {"count": len(times), "p50": cuts[49], "p99": cuts[98], "max": max(times)}


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table, and whether they meet their targets."""
    rows = ["| refused login | median, ms | ratio |", "|---|---:|---:|"]
    rows += [f"| {kind} | {ms:.1f} | {figures.login_ratios[kind]:.3f} |" for kind, ms in figures.login_medians.items()]
    rows += ["", f"| `GET /students/{{roll_no}}`, {READS_PER_SECOND} a second | reads | p50, ms | p99, ms | max, ms |"]
    rows += ["|---|---:|---:|---:|---:|"]
    for when, row in figures.reads.items():
        rows += [
            f"| {when} {LOGINS} logins | {row['count']:.0f} | {row['p50']:.1f} | {row['p99']:.1f} | {row['max']:.1f} |"
        ]
    return "\n".join([*rows, "", *target_results(figures)])


def target_results(figures: Figures) -> list[str]:
    """Return a sentence for each target."""
    furthest = max(abs(ratio - 1) for ratio in figures.login_ratios.values())
    logins = ", ".join(f"{count} x {status}" for status, count in sorted(figures.storm_logins.items()))
    return [
        f"Medians differ by {furthest:.1%} at most: {kept(furthest <= TARGET_DIFFERENCE)} (10%).",
        f"The p99 of reads grows {figures.p99_ratio:.2f}-fold: {kept(figures.p99_ratio <= TARGET_RATIO)} (3-fold).",
        f"Logins of the storm ({BURSTS} bursts of {LOGINS}): {logins}.",
    ]


def kept(within: bool) -> str:
    """Return the words for whether a target is met."""
    return "within the target" if within else "NOT within the target"


def measure() -> tuple[Figures, dict[str, Any]]:
    """Run the whole benchmark."""
    with server(**SETTINGS) as (service, folder), service.client() as client:
        make_admin(folder)
        prepare(client)
        refusals = time_refusals(service.url)
        storm = asyncio.run(measure_storm(service.url, client.headers))
        return figures_of(refusals, storm), surroundings(service)


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.login", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures, machine and versions to this file"
    )
    chosen = parser.parse_args()
    print("This takes one to two minutes. Keep the machine idle meanwhile.", file=sys.stderr)
    try:
        figures, where = measure()
    except UnexpectedStatus as error:
        sys.exit(f"Unexpected response: {error}")
    print(table(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(where | {"bcrypt_cost": COST} | asdict(figures), indent=2) + "\n")


if __name__ == "__main__":
    main()
