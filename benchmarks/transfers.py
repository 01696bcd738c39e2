"""What imports and exports cost: `python -m benchmarks.transfers`, as ratios to the driver on the same documents.

The figures describe a machine as much as the code, so they are printed and never asserted. An answer with a status that
does not belong there does fail the run.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
from pymongo import WriteConcern

from benchmarks.common import UnexpectedStatus, expect
from benchmarks.filled import School, open_school
from benchmarks.school import SUBJECTS, students
from benchmarks.usage import resident
from modules.students.models import Change, StudentDocument, StudentVersion
from modules.transfers.models import ChangeLogEntry, FailedRow

BATCH = 500
SETTLED = WriteConcern(w="majority", j=True)
# What imports write of students.
FILLED = (StudentDocument, StudentVersion, Change, ChangeLogEntry, FailedRow)

Figures = dict[str, float]


def table_of(size: int) -> Iterator[bytes]:
    """The students as a CSV file, piece by piece."""
    yield ",".join(["roll_no", "name", "branch", *SUBJECTS, "\n"]).replace(",\n", "\n").encode()
    lines: list[str] = []
    for student in students(size):
        marks = (str(student["marks"].get(subject, "")) for subject in SUBJECTS)
        lines.append(",".join([student["roll_no"], student["name"], student["branch"], *marks]))
        if len(lines) == 10_000:
            yield ("\n".join(lines) + "\n").encode()
            lines.clear()
    yield "".join(f"{line}\n" for line in lines).encode()


def clear(school: School) -> None:
    """Make all collections that are about to be filled anew: those of an import, and the driver's. MongoDB would go on
    wading through what was deleted from old ones."""
    for name, indexes in [
        ("copies", StudentDocument.Settings.indexes),
        *((one.Settings.name, one.Settings.indexes) for one in FILLED),
    ]:
        school.database.drop_collection(name)
        school.database[name].create_indexes(indexes)


def insert_many(school: School, size: int) -> None:
    """What an import is measured by: the same documents, in batches as large, with the same indexes, as safely."""
    copies = school.database.copies.with_options(write_concern=SETTLED)
    batch: list[dict[str, Any]] = []
    for student in students(size):
        batch.append(student | {"unsequenced": True})
        if len(batch) == BATCH:
            copies.insert_many(batch, ordered=False)
            batch = []
    if batch:
        copies.insert_many(batch, ordered=False)


def post(school: School, size: int, query: str) -> dict[str, Any]:
    """Import the students over HTTP."""
    answer = school.client.post(
        f"/imports?{query}", content=table_of(size), headers={"Content-Type": "text/csv"}, timeout=3600
    )
    report: dict[str, Any] = expect(answer, 201).json()
    assert report["created"] == size, report
    return report


def read_all(school: School) -> None:
    """What an export is measured by: everything that it tells, by the driver's cursor."""
    fields = {"_id": 0, "roll_no": 1, "name": 1, "branch": 1, "marks": 1}
    for _ in school.database.students.find({"keys.live": True}, fields).sort("roll_no"):
        pass


def export(school: School, format_: str) -> None:
    """Read the export over HTTP, and throw it away."""
    with school.client.stream("GET", f"/exports/students?format={format_}", timeout=3600) as answer:
        if answer.status_code != 200:
            raise UnexpectedStatus(f"export: {answer.status_code}")
        for _ in answer.iter_raw():
            pass


def rows_per_second(size: int, work: Callable[[], object]) -> float:
    """How many rows a piece of work gets through."""
    started = time.perf_counter()
    work()
    return size / (time.perf_counter() - started)


def measure(school: School, size: int, rounds: int) -> Figures:
    """The median rows a second of each kind of work, taken in turns."""
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for kind, work in (
            ("insert_many by the driver", lambda: insert_many(school, size)),
            ("import, on_error=skip", lambda: post(school, size, "mode=insert&on_error=skip")),
            ("import, on_error=reject", lambda: post(school, size, "mode=insert&on_error=reject")),
            ("cursor of the driver", lambda: read_all(school)),
            ("export, CSV", lambda: export(school, "csv")),
            ("export, NDJSON", lambda: export(school, "ndjson")),
        ):
            if kind.startswith(("insert", "import")):
                clear(school)
            times.setdefault(kind, []).append(rows_per_second(size, work))
            print(f"  {kind}: {times[kind][-1]:,.0f} rows/s", file=sys.stderr)
    return {kind: median(values) for kind, values in times.items()}


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """The process's memory (RSS) in bytes, looked at ten times a second; the first is that at the beginning."""
    seen, done = [resident(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            seen.append(resident(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def measure_memory(school: School, pid: int, size: int) -> Figures:
    """How many megabytes more than idle the service holds at most during a long import, and a long export."""
    clear(school)
    with watched(pid) as during_import:
        post(school, size, "mode=insert&on_error=skip")
    print(f"  import: {(max(during_import) - during_import[0]) / 1e6:.0f} MB above idle", file=sys.stderr)
    with watched(pid) as during_export:
        export(school, "csv")
    idle = during_import[0]
    return {
        "import": (max(during_import) - idle) / 1e6,
        "export": (max(during_export) - idle) / 1e6,
    }


def table(size: int, figures: Figures, memory: Figures, memory_size: int) -> str:
    """The figures for a reader."""
    rows = [f"| {size:,} students | rows a second | ratio |", "|---|---:|---:|"]
    for kind, value in figures.items():
        base = "cursor of the driver" if "export" in kind or "cursor" in kind else "insert_many by the driver"
        rows.append(f"| {kind} | {value:,.0f} | {value / figures[base]:.2f} |")
    for kind, megabytes in memory.items():
        rows.append(f"| {kind} of {memory_size:,}: memory above idle | {megabytes:.0f} MB | |")
    return "\n".join(rows)


def main() -> None:
    """Measure, print, and write the JSON if asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfers", description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=100_000, metavar="N", help="rows of each file")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often; 0: not at all")
    parser.add_argument(
        "--memory", type=int, default=1_000_000, metavar="N", help="rows of the file for memory; 0: none"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures, machine and versions here")
    chosen = parser.parse_args()
    print("Takes ten minutes; leave the machine alone meanwhile.", file=sys.stderr)
    try:
        with open_school(10) as (school, where):
            figures = measure(school, chosen.students, chosen.rounds)
            pid = where["pid"]
            memory = measure_memory(school, pid, chosen.memory) if chosen.memory else {}
    except (UnexpectedStatus, httpx2.HTTPError) as error:
        sys.exit(f"Unexpected answer: {error}")
    print(table(chosen.students, figures, memory, chosen.memory))
    if chosen.json:
        read = where | {"students": chosen.students, "rows_per_second": figures, "megabytes_above_idle": memory}
        chosen.json.write_text(json.dumps(read, indent=2) + "\n")


if __name__ == "__main__":
    main()
