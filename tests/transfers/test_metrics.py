"""Metrics of imports."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.transfers.imports import import_job
from modules.transfers.models import Import
from tests.measured import told
from tests.processes import until
from tests.transfers.helpers import imported, send, table

STATES = ("done", "rejected", "failed", "undone", "interrupted")
OUTCOMES = ("created", "updated", "unchanged", "failed")

HEADER = ["roll_no", "name", "branch", "math"]
GOOD = table([HEADER, ["S1", "n", "b", 1], ["S2", "n", "b", 2]])
BAD = table([HEADER, ["S1", "n", "b", 3], ["S3", "n", "b", 300]])


def figures() -> dict[str, float]:
    started = {"started": told("imports_started_total")}
    ended = {state: told("imports_ended_total", state=state) for state in STATES}
    return started | ended | {f"rows {one}": told("import_rows_total", outcome=one) for one in OUTCOMES}


class Increases:
    """Compares the metrics with those of the last call."""

    def __init__(self) -> None:
        self.before = figures()

    def since_last_call(self) -> dict[str, float]:
        before, self.before = self.before, figures()
        return {name: count - before[name] for name, count in self.before.items() if count != before[name]}


@pytest.fixture
def increases(teacher: TestClient) -> Increases:
    return Increases()


def test_imports_are_counted_by_final_state_and_rows_by_outcome(teacher: TestClient, increases: Increases) -> None:
    first = imported(teacher, GOOD)
    assert increases.since_last_call() == {"started": 1, "done": 1, "rows created": 2}

    assert send(teacher, BAD).status_code == 422
    assert increases.since_last_call() == {"started": 1, "rejected": 1, "rows failed": 1}

    imported(teacher, BAD, on_error="skip")
    assert increases.since_last_call() == {"started": 1, "done": 1, "rows updated": 1, "rows failed": 1}

    imported(teacher, GOOD, dry_run="true")
    assert increases.since_last_call() == {"started": 1, "done": 1}

    assert send(teacher, "hunter2").status_code == 422
    assert increases.since_last_call() == {"started": 1, "failed": 1}

    assert teacher.post(f"/imports/{first['id']}/undo").status_code == 200
    assert increases.since_last_call() == {"started": 1, "undone": 1}


def test_an_interrupted_import_is_counted(
    teacher: TestClient, increases: Increases, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(job: Import) -> None:
        raise RuntimeError("hunter2 is inside")

    monkeypatch.setattr(import_job, "run", fail)
    answer: Any = send(teacher, GOOD)
    assert answer.status_code >= 500
    until(lambda: told("imports_started_total") > increases.before["started"])
    assert increases.since_last_call() == {"started": 1, "interrupted": 1}
