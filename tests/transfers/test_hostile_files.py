"""Files that are designed to be slow: none of them blocks the event loop, and little of them is stored."""

import asyncio
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from time import process_time, thread_time
from typing import Any

import pytest
from bson import encode
from fastapi.testclient import TestClient
from pymongo.database import Database

from modules.transfers.columns.assignment import assign
from modules.transfers.files.table import InvalidFile
from modules.transfers.imports import failed_rows, row_reader
from modules.transfers.imports.row_reader import batches, open_table
from modules.transfers.models import Import
from modules.transfers.options import ColumnOptions
from modules.transfers.schemas import ImportRead
from tests.transfers.helpers import CSV, JSON, NDJSON, imported, read_table, send
from tests.transfers.workbooks import XLSX, error, workbook

# The maximum CPU seconds of one callback. The bugs that were found took seconds; a batch takes some milliseconds.
MAX_SECONDS = 0.15

WIDE = ",".join(["roll_no", *(f"rol_{number:05}" for number in range(9_999))]) + "\n"
ACCENTS = "a" + "\u0301\u0316" * 60_000
FIELDS = "roll_no,name,branch"
BLANKS = FIELDS + "".join(f",s{number}" for number in range(9_990)) + "\n"
MARKS = FIELDS + "".join(f",s{number}" for number in range(100)) + "\n"

FILES = {
    "similar columns": (WIDE, CSV),
    "misspelt columns": (WIDE.replace("roll_no", "roll_nr"), CSV),
    "one column again and again": ("roll_no" + ",a" * 9_990 + "\n", CSV),
    "a column name of accents": (f"roll_no,{ACCENTS}\nS1,1\n", CSV),
    "a name of accents": (f"{FIELDS}\nS1,{ACCENTS},B\n", CSV),
    "rows of 1 MB": (FIELDS + "\n" + ("x" + "," * 900_000 + "\n") * 2, CSV),
    "commas": (FIELDS + "\n" + ("x" + "," * 1_999 + "\n") * 500, CSV),
    "wide rows of one error": (WIDE + ("S1" + "," * 9_999 + "\n") * 4, CSV),
    "quotes": (FIELDS + "\n" + ('"' * 998 + "\n") * 1_000, CSV),
    "blank lines": (FIELDS + "\n" * 40_000, CSV),
    "blank cells": (BLANKS + "".join(f"S{number},A,B{',' * 9_990}\n" for number in range(15)), CSV),
    "marks": (MARKS + "".join(f"S{number},A,B{',5' * 100}\n" for number in range(1_000)), CSV),
    "a workbook": (workbook(["roll_no", "name"], *(["S1", "A", *range(100)] for _ in range(800))), XLSX),
    "a workbook of errors": (workbook(["roll_no"], *[[error("#N/A")] * 100] * 800), XLSX),
    "nested lists": ("[" * 900_000 + "\n", NDJSON),
    "huge numbers": (('{"roll_no":' + "9" * 4_300 + "}\n") * 200, NDJSON),
    "many members": (json.dumps({f"{number:x}": 1 for number in range(15_000)}) + "\n", NDJSON),
    "a line of many members": (json.dumps({f"{number:x}": 1 for number in range(60_000)}) + "\n", NDJSON),
    "empty objects": ("{}\n" * 1_500, NDJSON),
}


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Measure the maximum CPU time, in seconds, of one callback of an event loop.

    The debug mode of asyncio would measure wall-clock time, which includes other threads and processes. The garbage
    collector is off, because it would scan all objects that the tests have imported; a server has frozen those.
    """
    run, longest = asyncio.Handle._run, [0.0]

    def run_timed(handle: asyncio.Handle) -> None:
        begun = thread_time()
        run(handle)
        longest[0] = max(longest[0], thread_time() - begun)

    monkeypatch.setattr(asyncio.Handle, "_run", run_timed)
    gc.disable()
    yield longest
    gc.enable()


@pytest.mark.parametrize(("text", "media"), FILES.values(), ids=FILES.keys())
def test_no_file_stops_the_loop(
    teacher: TestClient, database: Database[JSON], longest: list[float], text: str | bytes, media: str
) -> None:
    begun = process_time()
    answer = send(teacher, text, media, blank="remove")
    report = teacher.get(f"/imports/{answer.json()['id']}")
    failed = teacher.get(f"/imports/{answer.json()['id']}/errors.csv")

    assert answer.status_code in (201, 422), answer.text[:300]
    assert longest[0] < MAX_SECONDS
    assert process_time() - begun < 30
    assert len(report.content) < 200_000
    assert failed.status_code == 200
    stored = sum(len(encode(row)) for row in database["import_errors"].find())
    assert stored < 3 * failed_rows.MAX_STORED_BYTES


def test_the_time_to_parse_a_header_is_proportional_to_its_columns() -> None:
    def seconds(columns: int) -> float:
        """Return the processor time of this thread, without that of a garbage collection in one of the attempts."""

        def attempt() -> float:
            begun = thread_time()
            assign(["roll_no", *(f"rol_{number:05}" for number in range(columns))], ColumnOptions())
            return thread_time() - begun

        return min(attempt() for _ in range(3))

    assert seconds(8_000) < 30 * max(seconds(1_000), 0.005)


@pytest.mark.parametrize("field", ["name", "marks"])
def test_very_many_accents_are_refused_fast(teacher: TestClient, field: str) -> None:
    accents = "a" + "\u0301\u0316" * 60_000
    body = {"roll_no": "S1", "name": "A", "branch": "B", field: {accents: 1} if field == "marks" else accents}
    begun = process_time()

    answer = teacher.post("/students", json=body)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert process_time() - begun < 1


def test_failed_rows_are_stored_up_to_a_number(
    teacher: TestClient, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_rows, "MAX_STORED", 700)
    text = "roll_no,name,branch,math\n" + "".join(f"S{number},A,B,{950 + number % 7}\n" for number in range(1_300))

    rejected = send(teacher, text).json()
    skipped = imported(teacher, text, on_error="skip")

    for report in (rejected, skipped):
        assert (report["rows"], report["failed"], report["errors_stored"]) == (1_300, 1_300, 700)
        assert (len(report["errors"]), report["errors_left_out"]) == (100, 1_200)
        failed = read_table(teacher.get(f"/imports/{report['id']}/errors.csv").text)
        assert [row[0] for row in failed[1:-1]] == [f"S{number}" for number in range(700)]
        assert failed[-1][:4] == [""] * 4
        assert failed[-1][4].startswith("600 ")
    assert database["import_errors"].count_documents({}) == 1_400


def test_failed_rows_are_stored_up_to_a_size(teacher: TestClient, database: Database[JSON]) -> None:
    name = "x" * 50_000
    text = "roll_no,name,branch\n" + "".join(f"S{number},{name},B\n" for number in range(120))

    report = imported(teacher, text, on_error="skip")

    assert (report["failed"], report["errors_stored"]) == (120, 100)
    assert sum(len(encode(row)) for row in database["import_errors"].find()) < 6_000_000


def test_a_row_that_is_too_long_to_be_stored_is_told_without_its_cells(teacher: TestClient) -> None:
    report = send(teacher, "roll_no,name,branch\n" + "x" + ",y" * 450_000 + "\nS1,A,\n").json()

    failed = read_table(teacher.get(f"/imports/{report['id']}/errors.csv").text)

    assert [error["code"] for error in report["errors"]] == ["ragged", "missing"]
    assert [row[:-1] for row in failed[1:]] == [[""] * 3, ["S1", "A", ""]]


def test_a_row_has_a_limited_number_of_errors(teacher: TestClient) -> None:
    report = send(teacher, MARKS + f"S1,A,B{',950' * 100}\n").json()

    errors = report["errors"]
    assert (len(errors), errors[-1]["code"]) == (21, "more")
    assert errors[-1]["detail"].startswith("80 ")


def test_a_long_roll_number_is_truncated_in_errors(teacher: TestClient) -> None:
    report = send(teacher, f"{FIELDS}\n" + f"{'x' * 100_000},A,B\n" * 2).json()

    assert {len(error["value"]) for error in report["errors"]} == {200}


def test_reports_and_lists_load_neither_cells_nor_columns(teacher: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    report = send(teacher, f"{FIELDS}\nS1,A,\n").json()
    loaded: list[tuple[list[str], list[Any]]] = []
    real = ImportRead.of

    def of(work: Import, failed: Any) -> ImportRead:
        loaded.append((work.header, [row for row in failed if "cells" in row]))
        return real(work, failed)

    monkeypatch.setattr(ImportRead, "of", of)
    for path in ("", f"/{report['id']}"):
        assert teacher.get(f"/imports{path}").status_code == 200
    events = teacher.get(f"/imports/{report['id']}", headers={"Accept": "text/event-stream"})

    assert events.status_code == 200
    assert loaded == [([], [])] * 3


def test_reading_many_blank_lines_pauses_regularly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, calls = tmp_path / "class.csv", list[Any]()
    file.write_text("roll_no\nS1\n" + "\n" * 100_000 + "S2\n")
    real = row_reader._next_batch

    def next_batch(rows: Any) -> Any:
        calls.append(rows)
        return real(rows)

    async def read() -> list[int]:
        return [row.line async for batch in batches(file, open_table(file)) for row in batch]

    monkeypatch.setattr(row_reader, "_next_batch", next_batch)
    monkeypatch.setattr(row_reader, "BATCH_BYTES", 20_000)
    assert asyncio.run(read()) == [2, 100_003]
    assert len(calls) >= 4


def test_a_header_with_a_duplicate_column_is_refused() -> None:
    with pytest.raises(InvalidFile):
        assign(["roll_no", "math", "art", "math"], ColumnOptions())
