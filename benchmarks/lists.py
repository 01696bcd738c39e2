"""How requests grow: `python -m benchmarks.lists` times them with 1,000, 100,000 and a million students, in one run.

The figures describe a machine as much as the code, so they are printed and never asserted. An answer with a status
that does not belong there does fail the run.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.addresses import FEWEST, LIMIT, SORTS, WRITES, scenarios
from benchmarks.common import UnexpectedStatus, expect, milliseconds_since
from benchmarks.filled import School, open_school

SMALL = 1_000
ROUNDS = 15
# The first request after another service's turn finds the processor's caches full of that one's.
IN_A_ROW = 10
BYTES_PER_STUDENT = 1_500
NEW = {"name": "Zoë Łukowska", "branch": "Physics", "marks": {"math": 50, "art": 72.5}}

Times = dict[str, dict[int, list[float]]]
"""Milliseconds by scenario and size."""


@dataclass(frozen=True)
class Examined:
    """What the database did for one request, by its own account."""

    commands: int
    keys: int
    documents: int
    returned: int
    plans: list[str]


@dataclass(frozen=True)
class Figures:
    """What is reported; all times in milliseconds."""

    sizes: tuple[int, ...]
    medians: dict[str, dict[int, float]]
    """By scenario and size."""
    times: Times
    examined: dict[str, Examined]
    """At the largest size."""
    failed: dict[str, str]
    """By scenario; a run with any has failed."""


def check_pages(school: School, addresses: dict[str, list[str]]) -> None:
    """See that pages are where they are said to be, so that the right ones are timed."""
    for name, (address, *_) in addresses.items():
        if name.startswith("sort="):
            answer = school.client.get(address)
            if answer.status_code != 200:
                continue  # which fails the run, once it is timed
            assert len(answer.json()) == LIMIT, name
            assert ("next" in answer.links) is not name.endswith("last page"), name


def take_turn(school: School, name: str, addresses: list[str], turn: int) -> list[float]:
    """Milliseconds of the requests of one turn; raises `UnexpectedStatus` unless all succeed."""
    return [ask(school, name, addresses, number) for number in range(turn * IN_A_ROW, (turn + 1) * IN_A_ROW)]


def ask(school: School, name: str, addresses: list[str], number: int) -> float:
    """Milliseconds of one request; raises `UnexpectedStatus` unless it succeeds."""
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


def time_all(schools: list[School], addresses: dict[int, dict[str, list[str]]]) -> tuple[Times, dict[str, str]]:
    """Milliseconds, and what failed."""
    times: Times = {name: {} for name in addresses[schools[-1].size]}
    failed = {}
    for turn, school, name in turns(schools, addresses):
        if name in failed:
            continue
        try:
            took = take_turn(school, name, addresses[school.size][name], turn)
        except UnexpectedStatus as error:
            failed[name] = f"{school.size:,} students: {error}"
            times[name].pop(school.size, None)  # a median of those that succeeded would flatter
            continue
        if turn:  # the first only warms up
            times[name].setdefault(school.size, []).extend(took)
    print(file=sys.stderr)
    return times, failed


def turns(schools: list[School], addresses: dict[int, dict[str, list[str]]]) -> Iterator[tuple[int, School, str]]:
    """Round by round, whose turn it is. Scenarios and sizes take turns in a new order each time, so that whatever slows
    the machine for a while hits all of them. What writes has rounds of its own after all others: it would change what
    they read, and a small school more than a large one."""
    shuffled = random.Random(1).sample  # noqa: S311  # no secret; the same orders in each run
    for writes in (False, True):
        some = [(school, name) for school in schools for name in addresses[school.size] if (name in WRITES) is writes]
        for turn in range(ROUNDS + 1):
            print(f"\rround {turn} of {ROUNDS}", end="", file=sys.stderr, flush=True)
            for school, name in shuffled(some, len(some)):
                yield turn, school, name


def examine(school: School, addresses: dict[str, list[str]]) -> dict[str, Examined]:
    """What each request makes the database do, from its profiler, which is on only now: it would cost time."""
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
    """The sum of these commands."""
    keys, documents, returned = (
        sum(one.get(count, 0) for one in commands) for count in ("keysExamined", "docsExamined", "nreturned")
    )
    plans = [one["planSummary"] for one in commands if "planSummary" in one]
    return Examined(len(commands), keys, documents, returned, list(dict.fromkeys(plans)))


def table(figures: Figures) -> str:
    """The figures for a reader."""
    small, *larger = figures.sizes
    large = figures.sizes[-1]
    ratios = [f"{size:,} / {small:,}" for size in larger]
    rows = [f"| median, ms | {' | '.join(f'{size:,}' for size in figures.sizes)} | {' | '.join(ratios)} |"]
    rows += ["|---|" + "---:|" * (len(figures.sizes) + len(larger))]
    for name, medians in figures.medians.items():
        cells = [cell(medians.get(size)) for size in figures.sizes]
        cells += [ratio_of(medians.get(size), medians.get(small)) for size in larger]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows += ["", f"| {large:,} students | page 100 / page 1 | last page / page 1 |", "|---|---:|---:|"]
    for sort in SORTS:
        first, hundredth, last = (
            figures.medians.get(f"sort={sort}, {page}", {}).get(large) for page in ("page 1", "page 100", "last page")
        )
        rows.append(f"| sort={sort} | {ratio_of(hundredth, first)} | {ratio_of(last, first)} |")
    rows += [
        "",
        f"| {large:,} students: examined | commands | keys | documents | returned |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, seen in figures.examined.items():
        rows.append(f"| {name} | {seen.commands} | {seen.keys:,} | {seen.documents:,} | {seen.returned:,} |")
    return "\n".join(rows)


def cell(value: float | None) -> str:
    """Milliseconds, where there are any."""
    return "-" if value is None else f"{value:.1f}"


def ratio_of(value: float | None, to: float | None) -> str:
    """One figure over another, where there are both."""
    return f"{value / to:.2f}" if value and to else "-"


def measure(sizes: tuple[int, ...]) -> tuple[Figures, dict[str, Any]]:
    """The whole run."""
    with ExitStack() as stack:
        opened = [stack.enter_context(open_school(number)) for number in sizes]
        schools = [one for one, _ in opened]
        addresses = {one.size: scenarios(one, (ROUNDS + 2) * IN_A_ROW) for one in schools}
        for one in schools:
            check_pages(one, addresses[one.size])
        times, failed = time_all(schools, addresses)
        medians = {name: {size: median(ms) for size, ms in each.items()} for name, each in times.items()}
        examined = examine(schools[-1], addresses[sizes[-1]])
        return Figures(sizes, medians, times, examined, failed), opened[-1][1]


def main() -> None:
    """Measure, print, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__.partition("\n")[0])
    sizes = [100_000, 1_000_000]
    text = "the sizes to compare with a thousand (100000 1000000)"
    parser.add_argument("--students", type=int, nargs="+", default=sizes, metavar="N", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, machine and versions here")
    chosen = parser.parse_args()
    if min(chosen.students) <= FEWEST:
        parser.error(f"page 100 is not the last one with more than {FEWEST} students only")
    free, needed = shutil.disk_usage(tempfile.gettempdir()).free, sum(chosen.students) * BYTES_PER_STUDENT
    if free < needed:
        sys.exit(f"This needs {needed / 1e9:.1f} GB in {tempfile.gettempdir()}; there are {free / 1e9:.1f} GB.")
    print("Takes seven minutes with a million; leave the machine alone meanwhile.", file=sys.stderr)
    try:
        figures, where = measure((SMALL, *sorted(chosen.students)))
    except UnexpectedStatus as error:
        sys.exit(f"Unexpected answer: {error}")
    print(table(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(where | asdict(figures), indent=2, ensure_ascii=False) + "\n")
    if figures.failed:
        sys.exit("".join(f"Unexpected answer: {name}: {why}\n" for name, why in figures.failed.items()).rstrip())


if __name__ == "__main__":
    main()
