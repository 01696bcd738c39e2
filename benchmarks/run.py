"""What a request costs: `python -m benchmarks.run` measures the service beside a hand-written floor and two peers.

The figures describe a machine as much as the code, so they are printed and never asserted. An answer with a status
that does not belong there does fail the run, and so do peers that answer something else.
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
    """One load of one server. `cpu` is microseconds a request of all its processes, `p50` and `p99` milliseconds."""

    requests: int
    seconds: float
    cpu: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Row:
    """One server in one scenario: medians of its windows, and its CPU over that of others."""

    cpu: float
    per_second: float
    p50: float
    p99: float
    cpu_of_floor: float
    cpu_of_tutorial: float
    windows: list[Window]


Figures = dict[str, dict[str, Row]]
"""By scenario and server."""


class Meter:
    """Loads servers and looks at what it costs them. Each load has request numbers of its own."""

    def __init__(self, ground: Ground, connections: int, run_load: Callable[[Load], Answered]) -> None:
        self._ground = ground
        self._connections = connections
        self._run_load = run_load
        self._turns = count(1)

    def measure(self, peer: Peer, scenario: Scenario, seconds: float) -> Window:
        """One window; raises `UnexpectedStatus`."""
        load = peer.load(scenario, self._ground, self._connections).for_(seconds, next(self._turns))
        before = cpu_seconds(peer.server.process.pid)
        answered = self._run_load(load)
        used = cpu_seconds(peer.server.process.pid) - before
        return Window(answered.requests, answered.seconds, used / answered.requests * 1e6, answered.p50, answered.p99)


def choose_floor(floors: Sequence[Peer], meter: Meter, seconds: float, rounds: int) -> tuple[Peer, dict[str, float]]:
    """The floor with the number of Motor threads that suits it best, and what a read costs each, in microseconds of
    CPU."""
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
    """Rounds in which the servers take turns in each scenario, so that what slows the machine for a while hits all of
    them. Where there are several, one more comes first and only warms up."""
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
    """Medians and ratios of one scenario."""
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
    """The figures for a reader."""
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
    """A mongod on a new folder, which is removed once nothing runs on it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, start_blocking_portal() as portal:
        folder = Path(name).resolve()
        mongod = find_mongod(None, folder / "data")
        assert mongod, "the service runs on one"
        with portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")) as embedded:
            yield Ground(embedded, folder, students, cost, workers)
        until(lambda: not running(folder))


def measure(chosen: argparse.Namespace) -> tuple[Figures, dict[str, Any]]:
    """The whole run."""
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
    """What can be asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    cost = AuthSettings.model_fields["bcrypt_cost"].default
    add = parser.add_argument
    add("--students", type=int, default=10_000, metavar="N", help="how many there are (10000)")
    add("--seconds", type=float, default=3.0, metavar="S", help="how long each scenario takes at each server (3)")
    add("--rounds", type=int, default=3, metavar="N", help="how often (3)")
    add("--only", action="append", metavar="WORD", help="scenarios with this in their name; repeatable")
    add("--workers", type=int, default=1, metavar="N", help="processes of each server (1)")
    add("--connections", type=int, default=8, metavar="N", help="how many at once (8)")
    add("--bcrypt-cost", type=int, default=cost, metavar="N", help=f"of passwords, in all servers ({cost})")
    add("--smoke", action="store_true", help="as short as can be, to see that it works; the figures mean nothing")
    add("--json", type=Path, metavar="FILE", help="also write the figures, machine and versions here")
    return parser


def main() -> None:
    """Measure, print, and write the JSON if asked to."""
    parser = arguments()
    parser.set_defaults(**(SMOKE if parser.parse_args().smoke else {}))
    chosen = parser.parse_args()
    print("With the usual rounds it takes about seven minutes; leave the machine alone meanwhile.", file=sys.stderr)
    try:
        figures, where = measure(chosen)
    except UnexpectedStatus as error:
        sys.exit(f"Unexpected answer: {error}")
    print(table(figures))
    if chosen.json:
        asked = {name: value for name, value in vars(chosen).items() if name != "json"}
        rows = {name: {peer: asdict(row) for peer, row in found.items()} for name, found in figures.items()}
        chosen.json.write_text(json.dumps(where | {"asked": asked, "figures": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
