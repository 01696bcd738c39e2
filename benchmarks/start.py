"""How long the service takes to start, and what it holds when idle: `python -m benchmarks.start`.

The figures describe a machine as much as the code, so they are printed and never asserted.
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

# For how long a service is left alone before its memory and its CPU time are looked at.
IDLE_SECONDS = 5.0

Figures = dict[str, float]
Made = TypeVar("Made")


def bare(statement: str) -> float:
    """How many seconds Python takes to run this and nothing else."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], cwd=ROOT, check=True)  # noqa: S603  # our own
    return time.perf_counter() - started


def first_answer(folder: Path, **settings: str) -> tuple[Server, float]:
    """The service, and how many seconds after its process began /readyz answered."""
    started = time.perf_counter()
    server = launch(folder, str(ROOT / "main.py"), **(environment(folder) | settings))
    return server, time.perf_counter() - started


def with_a_warm_database(folder: Path) -> float:
    """A start on a mongod that runs already, and knows the collections and their indexes."""
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
    """The very first start: the embedded MongoDB makes its files, and the service its indexes."""
    server, seconds = first_answer(folder)
    server.stop()
    return seconds


def on_an_old_folder(folder: Path) -> float:
    """A start with the embedded MongoDB on the folder of an earlier one."""
    on_a_new_folder(folder)
    until(lambda: not running(folder))
    return on_a_new_folder(folder)


STARTS: dict[str, Callable[[Path], float]] = {
    "to the first 200, warm database": with_a_warm_database,
    "to the first 200, embedded database, new folder": on_a_new_folder,
    "to the first 200, embedded database, old folder": on_an_old_folder,
}


def fresh(work: Callable[[Path], Made]) -> Made:
    """What this makes of a new folder, on which nothing runs afterwards."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        try:
            return work(folder)
        finally:
            until(lambda: not running(folder))


def mongod_version() -> str:
    """That of the embedded MongoDB."""
    mongod = find_mongod(None, Path())
    assert mongod
    return mongod.version


def idle(folder: Path) -> Figures:
    """What a worker holds and uses after it has answered a request and been left alone."""
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
    """Medians, in seconds unless said; the kinds of starts take turns."""
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        times.setdefault("Python alone", []).append(bare("pass"))
        times.setdefault("importing the service", []).append(bare("import main"))
        for name, start in STARTS.items():
            times.setdefault(name, []).append(fresh(start))
    return {name: median(values) for name, values in times.items()} | fresh(idle)


def main() -> None:
    """Measure, print, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, machine and versions here")
    chosen = parser.parse_args()
    figures = measure(chosen.rounds)
    print("| | seconds |\n|---|---:|")
    for name, value in figures.items():
        print(f"| {name} | {value:.2f} |")
    if chosen.json:
        chosen.json.write_text(json.dumps(conditions(mongod_version()) | {"figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
