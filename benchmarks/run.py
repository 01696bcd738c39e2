"""Benchmark of the cost of a request, compared with a minimal server and two others: `python -m benchmarks.run`.

The figures depend on the machine as much as on the code, so they are printed and never asserted. A response with an
unexpected status fails the run, and so do servers that return different content.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import fmean, median
from typing import Any

from anyio.from_thread import start_blocking_portal

from benchmarks.common import UnexpectedStatus, conditions
from benchmarks.load import Answered, generator, open_generator
from benchmarks.peers import FLOOR, NAIVE, SERVICE, TUTORIAL, Ground, Peer, check_alike, open_peer
from benchmarks.scenarios import SCENARIOS, Load, Scenario
from benchmarks.usage import cpu_seconds
from core.database import find_mongod, run_embedded
from modules.auth.settings import AuthSettings
from tests.processes import running, until

WARM_UP = 1.0
SMOKE = {"students": 2_000, "rounds": 1, "seconds": 1.0, "bcrypt_cost": 4}


@dataclass(frozen=True)
class Window:
    """One measured load of one server. `cpu` is the CPU time of all its processes in microseconds per request; `p50`
    and `p99` are in milliseconds."""

    requests: int
    seconds: float
    cpu: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Row:
    """One server in one scenario: the medians of its windows, and the ratios of its CPU time to those of others."""

    cpu: float
    per_second: float
    p50: float
    p99: float
    cpu_of_floor: float
    cpu_of_tutorial: float
    windows: list[Window]


Figures = dict[str, dict[str, Row]]
"""Rows by scenario and server."""


class Meter:
    """A meter of the CPU time that a load costs a server. Each load has its own range of request numbers."""

    def __init__(self, ground: Ground, connections: int, run_load: Callable[[Load], Answered]) -> None:
        self._ground = ground
        self._connections = connections
        self._run_load = run_load
        self._turns = count(1)

    def measure(self, peer: Peer, scenario: Scenario, seconds: float) -> Window:
        """Measure one window. Raise `UnexpectedStatus` if a request fails."""
        load = peer.load(scenario, self._ground, self._connections).for_(seconds, next(self._turns))
        before = cpu_seconds(peer.server.process.pid)
        answered = self._run_load(load)
        used = cpu_seconds(peer.server.process.pid) - before
        return Window(answered.requests, answered.seconds, used / answered.requests * 1e6, answered.p50, answered.p99)


def choose_floor(floors: Sequence[Peer], meter: Meter, seconds: float, rounds: int) -> tuple[Peer, dict[str, float]]:
    """Return the floor whose number of Motor threads performs best, and the cost of a read for each floor, in
    microseconds of CPU time."""
    reads = [scenario for scenario in SCENARIOS if scenario.method == "GET"][:2]
    costs: dict[str, list[float]] = {floor.threads or "default": [] for floor in floors}
    for scenario in reads * rounds:
        for floor in floors:
            costs[floor.threads or "default"].append(meter.measure(floor, scenario, seconds).cpu)
    means = {threads: fmean(found) for threads, found in costs.items()}
    return min(floors, key=lambda floor: means[floor.threads or "default"]), means


def measure_all(
    peers: Sequence[Peer], scenarios: Sequence[Scenario], meter: Meter, seconds: float, rounds: int
) -> Figures:
    """Measure all servers in rounds. They alternate in each scenario, so that a temporary slowdown of the machine
    affects all of them. If there are several rounds, an additional warm-up round comes first."""
    windows: dict[str, dict[str, list[Window]]] = {one.name: {peer.name: [] for peer in peers} for one in scenarios}
    for turn in range(0 if rounds > 1 else 1, rounds + 1):
        for scenario in scenarios:
            print(f"\rround {turn} of {rounds}: {scenario.name:<40}", end="", file=sys.stderr, flush=True)
            for peer in peers:
                window = meter.measure(peer, scenario, seconds if turn else min(WARM_UP, seconds))
                if turn:
                    windows[scenario.name][peer.name].append(window)
    print(file=sys.stderr)
    return {name: rows_of(found) for name, found in windows.items()}


def rows_of(windows: dict[str, list[Window]]) -> dict[str, Row]:
    """Return the medians and ratios of one scenario."""
    cpu = {name: median(window.cpu for window in found) for name, found in windows.items()}
    return {
        name: Row(
            cpu=cpu[name],
            per_second=median(window.requests / window.seconds for window in found),
            p50=median(window.p50 for window in found),
            p99=median(window.p99 for window in found),
            cpu_of_floor=cpu[name] / cpu[FLOOR],
            cpu_of_tutorial=cpu[name] / cpu[TUTORIAL],
            windows=found,
        )
        for name, found in windows.items()
    }


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table."""
    rows = ["| scenario | server | CPU, µs | of floor | of tutorial | requests/s | p50, ms | p99, ms |"]
    rows += ["|---|---|---:|---:|---:|---:|---:|---:|"]
    for scenario, servers in figures.items():
        for name, row in servers.items():
            ratios = f"{row.cpu_of_floor:.2f} | {row.cpu_of_tutorial:.2f}"
            times = f"{row.per_second:,.0f} | {row.p50:.2f} | {row.p99:.2f}"
            rows.append(f"| {scenario} | {name} | {row.cpu:,.0f} | {ratios} | {times} |")
    return "\n".join(rows)


@contextmanager
def open_ground(students: int, cost: int, workers: int) -> Iterator[Ground]:
    """Run a mongod on a new folder, which is removed after all processes have ended."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, start_blocking_portal() as portal:
        folder = Path(name).resolve()
        mongod = find_mongod(None, folder / "data")
        assert mongod, "the embedded MongoDB is installed with the service"
        with portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")) as embedded:
            yield Ground(embedded, folder, students, cost, workers)
        until(lambda: not running(folder))


def measure(chosen: argparse.Namespace) -> tuple[Figures, dict[str, Any]]:
    """Run the whole benchmark."""
    scenarios = [one for one in SCENARIOS if any(word.lower() in one.name.lower() for word in chosen.only or [""])]
    with ExitStack() as stack:
        ground = stack.enter_context(open_ground(chosen.students, chosen.bcrypt_cost, chosen.workers))
        meter = Meter(ground, chosen.connections, stack.enter_context(open_generator()))
        floors = [stack.enter_context(open_peer(ground, FLOOR, threads)) for threads in ("1", "")]
        best, costs = choose_floor(floors, meter, chosen.seconds, chosen.rounds)
        peers = [best] + [stack.enter_context(open_peer(ground, name)) for name in (SERVICE, TUTORIAL, NAIVE)]
        check_alike(peers, ground)
        figures = measure_all(peers, scenarios, meter, chosen.seconds, chosen.rounds)
        return figures, conditions(ground.embedded.version) | {"load": generator(), "floor_threads": costs}


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    cost = AuthSettings.model_fields["bcrypt_cost"].default
    add = parser.add_argument
    add("--students", type=int, default=10_000, metavar="N", help="number of students (10000)")
    add("--seconds", type=float, default=3.0, metavar="S", help="duration of each scenario on each server (3)")
    add("--rounds", type=int, default=3, metavar="N", help="number of rounds (3)")
    add("--only", action="append", metavar="WORD", help="only scenarios with this word in their name; repeatable")
    add("--workers", type=int, default=1, metavar="N", help="processes of each server (1)")
    add("--connections", type=int, default=8, metavar="N", help="concurrent connections (8)")
    add("--bcrypt-cost", type=int, default=cost, metavar="N", help=f"bcrypt cost in all servers ({cost})")
    add("--smoke", action="store_true", help="the shortest possible run, as a test; its figures are meaningless")
    add("--json", type=Path, metavar="FILE", help="also write the figures, machine and versions to this file")
    return parser


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = arguments()
    parser.set_defaults(**(SMOKE if parser.parse_args().smoke else {}))
    chosen = parser.parse_args()
    print("The default run takes about seven minutes. Keep the machine idle meanwhile.", file=sys.stderr)
    try:
        figures, where = measure(chosen)
    except UnexpectedStatus as error:
        sys.exit(f"Unexpected response: {error}")
    print(table(figures))
    if chosen.json:
        asked = {name: value for name, value in vars(chosen).items() if name != "json"}
        rows = {name: {peer: asdict(row) for peer, row in found.items()} for name, found in figures.items()}
        chosen.json.write_text(json.dumps(where | {"asked": asked, "figures": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
