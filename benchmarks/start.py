"""Benchmark of the service's start-up time, and of its memory and CPU time when idle: `python -m benchmarks.start`.

The figures depend on the machine as much as on the code, so they are printed and never asserted.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeVar

import httpx2
from anyio.from_thread import start_blocking_portal

from benchmarks.common import conditions, environment
from benchmarks.usage import cpu_seconds, resident
from core.database import find_mongod, run_embedded
from tests.processes import ROOT, running, until
from tests.servers import Server, launch

# The time without requests over which the memory and CPU time of an idle service are measured.
IDLE_SECONDS = 5.0

Figures = dict[str, float]
Made = TypeVar("Made")


def bare(statement: str) -> float:
    """Return the seconds that Python takes to start and run only this statement."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)  # noqa: S603  # our own
    return time.perf_counter() - started


def first_answer(folder: Path, **settings: str) -> tuple[Server, float]:
    """Start the service, and return it with the seconds from the start of its process to the response of /readyz."""
    started = time.perf_counter()
    server = launch(folder, str(ROOT / "main.py"), **(environment(folder) | settings))
    return server, time.perf_counter() - started


def with_a_warm_database(folder: Path) -> float:
    """Time a start on a running mongod that already has the collections and indexes."""
    mongod = find_mongod(None, folder / "data")
    assert mongod
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")) as embedded,
    ):
        for _ in range(2):
            server, seconds = first_answer(folder, MONGODB_URL=embedded.url)
            server.stop()
    return seconds


def on_a_new_folder(folder: Path) -> float:
    """Time the very first start, in which the embedded MongoDB creates its files and the service its indexes."""
    server, seconds = first_answer(folder)
    server.stop()
    return seconds


def on_an_old_folder(folder: Path) -> float:
    """Time a start of the embedded MongoDB on an existing folder."""
    on_a_new_folder(folder)
    until(lambda: not running(folder))
    return on_a_new_folder(folder)


STARTS: dict[str, Callable[[Path], float]] = {
    "to the first 200, warm database": with_a_warm_database,
    "to the first 200, embedded database, new folder": on_a_new_folder,
    "to the first 200, embedded database, old folder": on_an_old_folder,
}


def fresh(work: Callable[[Path], Made]) -> Made:
    """Return the result of `work` on a new folder, after all processes in the folder have ended."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        try:
            return work(folder)
        finally:
            until(lambda: not running(folder))


def mongod_version() -> str:
    """Return the version of the embedded MongoDB."""
    mongod = find_mongod(None, Path())
    assert mongod
    return mongod.version


def idle(folder: Path) -> Figures:
    """Return the memory and the CPU time of a worker that has served one request and is idle since."""
    server, _ = first_answer(folder)
    try:
        httpx2.get(f"{server.url}/healthz").raise_for_status()
        before = cpu_seconds(server.process.pid)
        time.sleep(IDLE_SECONDS)
        return {
            "memory of an idle worker, MB": resident(server.process.pid) / 1e6,
            "CPU of an idle worker, ms a second": (cpu_seconds(server.process.pid) - before) / IDLE_SECONDS * 1000,
        }
    finally:
        server.stop()


def measure(rounds: int) -> Figures:
    """Return the medians, in seconds unless their names say otherwise. The kinds of starts alternate."""
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        times.setdefault("Python alone", []).append(bare("pass"))
        times.setdefault("importing the service", []).append(bare("import main"))
        for name, start in STARTS.items():
            times.setdefault(name, []).append(fresh(start))
    return {name: median(values) for name, values in times.items()} | fresh(idle)


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="number of rounds (5)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures, machine and versions to this file"
    )
    chosen = parser.parse_args()
    figures = measure(chosen.rounds)
    print("| | seconds |\n|---|---:|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} |")
    if chosen.json:
        chosen.json.write_text(json.dumps(conditions(mongod_version()) | {"figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
