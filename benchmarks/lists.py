"""Benchmark of how requests scale with 1,000, 100,000 and a million students: `python -m benchmarks.lists`.

The figures depend on the machine as much as on the code, so they are printed and never asserted. A response with an
unexpected status fails the run.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.addresses import FEWEST, LIMIT, Addresses, reads, writes
from benchmarks.common import UnexpectedStatus, expect, milliseconds_since
from benchmarks.filled import School, open_school
from benchmarks.growth import Examined, Figures, Times, table

SMALL = 1_000
ROUNDS = 15
# Requests per turn. The first one after another service's turn is slower, because the CPU caches are cold.
IN_A_ROW = 10
BYTES_PER_STUDENT = 1_500
NEW = {"name": "Zoë Łukowska", "branch": "Physics", "marks": {"math": 50, "art": 72.5}}


def check_pages(school: School, addresses: Addresses) -> None:
    """Check that each path is the page its name says, so that the right pages are timed."""
    for name, (address, *_) in addresses.items():
        if name.startswith("sort="):
            answer = school.client.get(address)
            if answer.status_code != 200:
                continue  # the timed request fails the run
            assert len(answer.json()) == LIMIT, name
            assert ("next" in answer.links) is not name.endswith("last page"), name


def take_turn(school: School, name: str, addresses: list[str], turn: int) -> list[float]:
    """Return the milliseconds of each request of one turn. Raise `UnexpectedStatus` if one fails."""
    return [ask(school, name, addresses, number) for number in range(turn * IN_A_ROW, (turn + 1) * IN_A_ROW)]


def ask(school: School, name: str, addresses: list[str], number: int) -> float:
    """Return the milliseconds of one request. Raise `UnexpectedStatus` if it fails."""
    address = addresses[number % len(addresses)]
    start = time.perf_counter()
    if name == "PATCH one":
        answer = school.client.patch(address, json={"marks": {"art": 10 + number / 4}})
    elif name == "POST one":
        answer = school.client.post(address, json=NEW | {"roll_no": f"new-{number}"})
    else:
        answer = school.client.get(address)
    took = milliseconds_since(start)
    expect(answer, 201 if name == "POST one" else 200)
    return took


def time_all(schools: list[School], addresses: dict[int, Addresses]) -> tuple[Times, dict[str, str]]:
    """Return the times in milliseconds, and the errors. Scenarios and sizes alternate in a new random order each round,
    so that a temporary slowdown of the machine affects all of them."""
    times: Times = {name: {} for name in addresses[schools[-1].size]}
    failed = {}
    shuffled = random.Random(1).sample  # noqa: S311  # no secret; the same orders in each run
    turns = [(school, name) for school in schools for name in addresses[school.size]]
    for turn in range(ROUNDS + 1):
        print(f"\rround {turn} of {ROUNDS}", end="", file=sys.stderr, flush=True)
        for school, name in shuffled(turns, len(turns)):
            if name in failed:
                continue
            try:
                took = take_turn(school, name, addresses[school.size][name], turn)
            except UnexpectedStatus as error:
                failed[name] = f"{school.size:,} students: {error}"
                times[name].pop(school.size, None)  # a median of the successful requests only would be misleading
                continue
            if turn:  # the first only warms up
                times[name].setdefault(school.size, []).extend(took)
    print(file=sys.stderr)
    return times, failed


def examine(school: School, addresses: Addresses) -> dict[str, Examined]:
    """Return the database's work for each request, from its profiler, which is off while times are measured."""
    found, ours = {}, {"ns": {"$regex": r"\.student(s|_changes|_history)$"}}
    for name, known in addresses.items():
        school.database.command("profile", 2)
        with suppress(UnexpectedStatus):
            ask(school, name, known, (ROUNDS + 1) * IN_A_ROW)
        school.database.command("profile", 0)
        found[name] = summary(list(school.database.system.profile.find(ours).sort("ts")))
        school.database.system.profile.drop()
    return found


def summary(commands: list[dict[str, Any]]) -> Examined:
    """Return the totals of these profiler entries."""
    keys, documents, returned = (
        sum(one.get(count, 0) for one in commands) for count in ("keysExamined", "docsExamined", "nreturned")
    )
    plans = [one["planSummary"] for one in commands if "planSummary" in one]
    return Examined(len(commands), keys, documents, returned, list(dict.fromkeys(plans)))


def measure(sizes: tuple[int, ...]) -> tuple[Figures, dict[str, Any]]:
    """Run the whole benchmark."""
    with ExitStack() as stack:
        opened = [stack.enter_context(open_school(number)) for number in sizes]
        schools = [one for one, _ in opened]
        figures = Figures(sizes)
        for kind in (
            reads,
            writes,
        ):  # writes come last: they change the data that is read, and that of the small school most
            addresses = {one.size: kind(one, (ROUNDS + 2) * IN_A_ROW) for one in schools}
            for one in schools:
                check_pages(one, addresses[one.size])
            times, failed = time_all(schools, addresses)
            figures.add(times, failed, examine(schools[-1], addresses[sizes[-1]]))
        return figures, opened[-1][1]


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__.partition("\n")[0])
    sizes = [100_000, 1_000_000]
    text = "numbers of students to compare with a thousand (100000 1000000)"
    parser.add_argument("--students", type=int, nargs="+", default=sizes, metavar="N", help=text)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures, machine and versions to this file"
    )
    chosen = parser.parse_args()
    if min(chosen.students) <= FEWEST:
        parser.error(f"--students must be more than {FEWEST}, so that page 100 is not the last one")
    free, needed = shutil.disk_usage(tempfile.gettempdir()).free, sum(chosen.students) * BYTES_PER_STUDENT
    if free < needed:
        sys.exit(f"This needs {needed / 1e9:.1f} GB in {tempfile.gettempdir()}; there are {free / 1e9:.1f} GB.")
    print("This takes seven minutes with a million students. Keep the machine idle meanwhile.", file=sys.stderr)
    try:
        figures, where = measure((SMALL, *sorted(chosen.students)))
    except UnexpectedStatus as error:
        sys.exit(f"Unexpected response: {error}")
    print(table(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(where | asdict(figures), indent=2, ensure_ascii=False) + "\n")
    if figures.failed:
        sys.exit("".join(f"Unexpected response: {name}: {why}\n" for name, why in figures.failed.items()).rstrip())


if __name__ == "__main__":
    main()
