"""Benchmark of imports and exports, as ratios to the driver on the same documents: `python -m benchmarks.transfers`.

The figures depend on the machine as much as on the code, so they are printed and never asserted. A response with an
unexpected status fails the run.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
from pymongo import WriteConcern
from xlsxwriter import Workbook

from benchmarks.common import UnexpectedStatus, expect
from benchmarks.filled import School, open_school
from benchmarks.school import SUBJECTS, students
from benchmarks.usage import resident_in_all
from modules.students.models import Change, StudentDocument, StudentVersion
from modules.transfers.models import ChangeLogEntry, FailedRow, PlanPage

BATCH = 500
WORKBOOK_ROWS = 100_000
SETTLED = WriteConcern(w="majority", j=True)
# The documents that an import writes.
FILLED = (StudentDocument, StudentVersion, Change, ChangeLogEntry, FailedRow, PlanPage)

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Figures = dict[str, float]


def table_of(size: int) -> Iterator[bytes]:
    """Yield the students as a CSV file in pieces."""
    yield ",".join(["roll_no", "name", "branch", *SUBJECTS, "\n"]).replace(",\n", "\n").encode()
    lines: list[str] = []
    for student in students(size):
        marks = (str(student["marks"].get(subject, "")) for subject in SUBJECTS)
        lines.append(",".join([student["roll_no"], student["name"], student["branch"], *marks]))
        if len(lines) == 10_000:
            yield ("\n".join(lines) + "\n").encode()
            lines.clear()
    yield "".join(f"{line}\n" for line in lines).encode()


def workbook_of(size: int, copies: int = 1) -> bytes:
    """Return the students as an XLSX file, with each subject `copies` times."""
    content, subjects = BytesIO(), [f"{subject}{copy or ''}" for copy in range(copies) for subject in SUBJECTS]
    with Workbook(content, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["roll_no", "name", "branch", *subjects])
        for row, student in enumerate(students(size), start=1):
            marks = [student["marks"].get(subject, "") for subject in SUBJECTS] * copies
            sheet.write_row(row, 0, [student["roll_no"], student["name"], student["branch"], *marks])
    return content.getvalue()


def clear(school: School) -> None:
    """Drop and recreate the collections of imports and of the driver. In a collection that was only emptied, the
    deleted documents would slow MongoDB down."""
    for name, indexes in [
        ("copies", StudentDocument.Settings.indexes),
        *((one.Settings.name, one.Settings.indexes) for one in FILLED),
    ]:
        school.database.drop_collection(name)
        school.database[name].create_indexes(indexes)


def insert_many(school: School, size: int) -> None:
    """Insert the same documents by the driver, in batches of the same size, with the same indexes and the same write
    concern. Imports are compared with this."""
    copies = school.database.copies.with_options(write_concern=SETTLED)
    batch: list[dict[str, Any]] = []
    for student in students(size):
        batch.append(student | {"unsequenced": True})
        if len(batch) == BATCH:
            copies.insert_many(batch, ordered=False)
            batch = []
    if batch:
        copies.insert_many(batch, ordered=False)


def post(school: School, size: int, query: str, workbook: bytes | None = None) -> dict[str, Any]:
    """Import the students over HTTP, from a CSV file or from a workbook."""
    content, kind = (table_of(size), "text/csv") if workbook is None else (workbook, XLSX)
    answer = school.client.post(f"/imports?{query}", content=content, headers={"Content-Type": kind}, timeout=3600)
    report: dict[str, Any] = expect(answer, 201).json()
    assert report["created"] == size, report
    return report


def read_all(school: School) -> None:
    """Read all fields of an export with the driver's cursor. Exports are compared with this."""
    fields = {"_id": 0, "roll_no": 1, "name": 1, "branch": 1, "marks": 1}
    for _ in school.database.students.find({"keys.live": True}, fields).sort("roll_no"):
        pass


def export(school: School, format_: str) -> None:
    """Read an export over HTTP and discard it."""
    with school.client.stream("GET", f"/exports/students?format={format_}", timeout=3600) as answer:
        if answer.status_code != 200:
            raise UnexpectedStatus(f"export: {answer.status_code}")
        for _ in answer.iter_raw():
            pass


def rows_per_second(size: int, work: Callable[[], object]) -> float:
    """Return the rows per second of `work` on `size` rows."""
    started = time.perf_counter()
    work()
    return size / (time.perf_counter() - started)


def measure(school: School, size: int, rounds: int) -> Figures:
    """Return the median rows per second of each kind of work. The kinds alternate."""
    times: dict[str, list[float]] = {}
    workbook = workbook_of(size)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for kind, work in (
            ("insert_many by the driver", lambda: insert_many(school, size)),
            ("import, on_error=skip", lambda: post(school, size, "mode=insert&on_error=skip")),
            ("import, on_error=reject", lambda: post(school, size, "mode=insert&on_error=reject")),
            ("import, on_error=reject, XLSX", lambda: post(school, size, "mode=insert&on_error=reject", workbook)),
            ("cursor of the driver", lambda: read_all(school)),
            ("export, CSV", lambda: export(school, "csv")),
            ("export, NDJSON", lambda: export(school, "ndjson")),
            ("export, XLSX", lambda: export(school, "xlsx")),
        ):
            if kind.startswith(("insert", "import")):
                clear(school)
            times.setdefault(kind, []).append(rows_per_second(size, work))
            print(f"  {kind}: {times[kind][-1]:,.0f} rows/s", file=sys.stderr)
    return {kind: median(values) for kind, values in times.items()}


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Sample the memory (RSS) of a process and its children ten times a second while the context is open. The first of
    the yielded bytes is the value at the start."""
    seen, done = [resident_in_all(pid)], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            seen.append(resident_in_all(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def measure_memory(school: School, pid: int, size: int) -> Figures:
    """Return the peak memory above idle, in megabytes, of the service during long imports and a long export."""
    clear(school)
    with watched(pid) as during_import:
        post(school, size, "mode=insert&on_error=skip")
    print(f"  import: {(max(during_import) - during_import[0]) / 1e6:.0f} MB above idle", file=sys.stderr)
    with watched(pid) as during_export:
        export(school, "csv")
    clear(school)
    workbook = workbook_of(WORKBOOK_ROWS, 3)
    with watched(pid) as during_workbook:
        post(school, WORKBOOK_ROWS, "mode=insert&on_error=skip", workbook)
    idle = during_import[0]
    return {
        f"import of {size:,}": (max(during_import) - idle) / 1e6,
        f"export of {size:,}": (max(during_export) - idle) / 1e6,
        f"import of an XLSX file of {WORKBOOK_ROWS:,} rows and {3 * len(SUBJECTS) + 3} columns": (
            (max(during_workbook) - during_workbook[0]) / 1e6
        ),
    }


def table(size: int, figures: Figures, memory: Figures) -> str:
    """Return the figures as a Markdown table."""
    rows = [f"| {size:,} students | rows a second | ratio |", "|---|---:|---:|"]
    for kind, value in figures.items():
        base = "cursor of the driver" if "export" in kind or "cursor" in kind else "insert_many by the driver"
        if kind.endswith(", XLSX"):
            base = {"export, XLSX": "export, CSV"}.get(kind, kind.removesuffix(", XLSX"))
        rows.append(f"| {kind} | {value:,.0f} | {value / figures[base]:.2f} |")
    for kind, megabytes in memory.items():
        rows.append(f"| {kind}: memory above idle | {megabytes:.0f} MB | |")
    return "\n".join(rows)


def main() -> None:
    """Run the benchmark, print the figures, and write them as JSON if requested."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfers", description=__doc__.partition("\n")[0])
    parser.add_argument("--students", type=int, default=100_000, metavar="N", help="rows of each file")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="number of rounds; 0 skips the timing")
    parser.add_argument(
        "--memory", type=int, default=1_000_000, metavar="N", help="rows of the file for memory; 0 skips it"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the figures, machine and versions to this file"
    )
    chosen = parser.parse_args()
    print("This takes twelve minutes. Keep the machine idle meanwhile.", file=sys.stderr)
    try:
        with open_school(10) as (school, where):
            figures = measure(school, chosen.students, chosen.rounds)
            pid = where["pid"]
            memory = measure_memory(school, pid, chosen.memory) if chosen.memory else {}
    except (UnexpectedStatus, httpx2.HTTPError) as error:
        sys.exit(f"Unexpected response: {error}")
    print(table(chosen.students, figures, memory))
    if chosen.json:
        read = where | {"students": chosen.students, "rows_per_second": figures, "megabytes_above_idle": memory}
        chosen.json.write_text(json.dumps(read, indent=2) + "\n")


if __name__ == "__main__":
    main()
