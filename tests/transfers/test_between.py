"""Imports with concurrent changes between their steps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.clock import utc_now
from core.errors import Unavailable
from modules.transfers.imports import import_job, row_reader, row_writer
from modules.transfers.models import Import
from tests.processes import until
from tests.transfers.helpers import JSON, add, counts, imported, send, student, students


@dataclass
class Colleague:
    """A second user who acts between the steps of an import whose batches have one row each."""

    database: Database[JSON]
    monkeypatch: pytest.MonkeyPatch

    def before(self, step: Literal["prepare", "write"], row: int, do: Callable[[], object]) -> None:
        """Register an action that runs before this row is prepared or written."""
        real = getattr(row_writer, step)

        async def late(batch: Any, of: Import) -> Any:
            rows = batch if step == "prepare" else batch.rows
            if rows[0].number == row:
                await asyncio.to_thread(do)
            return await real(batch, of)

        self.monkeypatch.setattr(row_reader, "BATCH", 1)
        self.monkeypatch.setattr(import_job, step, late)

    def wait_until_logged(self, row: int) -> None:
        """Wait until this row is prepared."""
        until(lambda: self.database["import_changes"].find_one({"row": row}))

    def change(self, roll_no: str, /, **fields: Any) -> None:
        self.database["students"].update_one(
            {"roll_no": roll_no}, {"$set": {"source": None, **fields}, "$inc": {"version": 1}}
        )


@pytest.fixture
def colleague(database: Database[JSON], monkeypatch: pytest.MonkeyPatch) -> Colleague:
    return Colleague(database, monkeypatch)


FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
UPDATES = "roll_no,math\nS1,1\nS2,2\n"


def test_a_prepared_but_unwritten_row_is_not_reported_as_kept(teacher: TestClient, colleague: Colleague) -> None:
    """The first row fails in the second pass. The second row is already logged, but a colleague changed its student."""
    for roll_no in ("S1", "S2"):
        add(teacher, roll_no, "Before")

    def change_the_second() -> None:
        colleague.wait_until_logged(2)
        colleague.change("S2", name="A colleague's")

    colleague.before("prepare", 1, lambda: colleague.change("S1", deleted_at=utc_now()))
    colleague.before("write", 1, change_the_second)

    import_id = send(teacher, UPDATES, mode="update").json()["id"]

    report = teacher.get(f"/imports/{import_id}").json()
    assert (report["state"], [error["code"] for error in report["errors"]]) == ("rejected", ["absent"])
    assert (report["kept"], report["kept_count"]) == ([], 0)
    assert students(teacher)["S2"] == student("A colleague's", "Physics")


def test_a_row_that_an_interrupted_import_never_wrote_is_not_reported_as_kept(
    teacher: TestClient, colleague: Colleague
) -> None:
    for roll_no in ("S1", "S2"):
        add(teacher, roll_no, "Before")

    def change_both_and_fail() -> None:
        colleague.wait_until_logged(2)
        for roll_no in ("S1", "S2"):
            colleague.change(roll_no, name="A colleague's")
        raise Unavailable("Lost.")

    colleague.before("write", 1, change_both_and_fail)

    import_id = interrupted(teacher, UPDATES, on_error="skip")

    report = teacher.post(f"/imports/{import_id}/undo").json()
    assert (report["restored"], report["kept"], report["kept_count"]) == (0, [], 0)
    assert {one["name"] for one in students(teacher).values()} == {"A colleague's"}


def interrupted(client: TestClient, text: str, **params: Any) -> str:
    """Start an import that is interrupted. Return its id."""
    assert send(client, text, **params).status_code == 503
    (report,) = client.get("/imports").json()
    assert report["state"] == "interrupted"
    return str(report["id"])


def test_a_student_renamed_between_two_rows_is_written_once(
    teacher: TestClient, database: Database[JSON], colleague: Colleague
) -> None:
    add(teacher, "S1", "Before")

    def rename() -> None:
        until(lambda: database["students"].find_one({"name": "First"}))
        colleague.change("S1", roll_no="S2")

    colleague.before("prepare", 2, rename)

    report = imported(teacher, "roll_no,name\nS1,First\nS2,Second\n", on_error="skip")

    assert counts(report) == (2, 0, 1, 0, 1)
    assert [(one["line"], one["code"], one["value"]) for one in report["errors"]] == [(3, "renamed", "S2")]
    assert students(teacher) == {"S2": student("First", "Physics")}


def test_a_server_that_lost_its_import_to_another_writes_no_more(
    teacher: TestClient, database: Database[JSON], colleague: Colleague
) -> None:
    """Simulate a server that lost its connection to the database for a while."""
    resumed: list[Any] = []

    def resume() -> None:
        if not resumed:
            resumed.append("begun")
            stale = {"$set": {"alive_at": datetime.fromtimestamp(0, UTC)}}
            work = database["imports"].find_one_and_update({}, stale)
            assert work
            resumed.append(teacher.post(f"/imports/{work['_id']}/resume").json())
            assert teacher.patch("/students/S1", json={"name": "Hers"}).status_code == 200

    colleague.before("write", 1, resume)

    answer = send(teacher, "roll_no,name,branch\nS1,First,A\nS2,Second,A\n", on_error="skip")

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/unavailable"
    _, report = resumed
    assert (report["state"], counts(report)) == ("done", (2, 2, 0, 0, 0))
    assert teacher.get(f"/imports/{report['id']}").json() == report
    assert students(teacher)["S1"]["name"] == "Hers"
    undone = teacher.post(f"/imports/{report['id']}/undo").json()
    assert (undone["restored"], undone["kept"]) == (1, ["S1"])
    assert set(students(teacher)) == {"S1"}


def test_a_late_heartbeat_does_not_revive_an_import_that_was_released(
    teacher: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that was sent before its task was cancelled may be executed later."""
    jobs: list[Import] = []

    async def fail(_: object, of: Import) -> None:
        jobs.append(of)
        raise Unavailable("The database is unreachable.")

    monkeypatch.setattr(import_job, "write", fail)
    assert send(teacher, "roll_no,name,branch\nS1,First,A\n", on_error="skip").status_code == 503
    (job,) = jobs

    assert teacher.portal
    with pytest.raises(Unavailable):
        teacher.portal.call(partial(job.update_fields, alive_at=utc_now()))

    assert teacher.get(f"/imports/{job.id}").json()["state"] == "interrupted"


def test_a_late_write_of_a_lost_command_is_part_of_the_import(
    teacher: TestClient, database: Database[JSON], colleague: Colleague
) -> None:
    """This import's students already exist when the batch is written, but their change log entries do not."""

    def write_late() -> None:
        (work,) = database["imports"].find()
        add(teacher, "S1", "First", "A")
        database["students"].update_one({"roll_no": "S1"}, {"$set": {"source": f"import {work['_id']}"}})

    colleague.before("write", 1, write_late)

    report = imported(teacher, "roll_no,name,branch\nS1,First,A\n", mode="insert", on_error="skip")

    assert counts(report) == (1, 1, 0, 0, 0)
    undone = teacher.post(f"/imports/{report['id']}/undo").json()
    assert (undone["restored"], undone["kept_count"]) == (1, 0)
    assert students(teacher) == {}


@pytest.mark.parametrize(
    ("row", "expected"), [(1, (1, 0, 1, 0, 0)), (7, (1, 0, 0, 0, 1))], ids=["same row", "another row"]
)
def test_a_late_change_log_entry_blocks_other_rows_only(
    teacher: TestClient, database: Database[JSON], colleague: Colleague, row: int, expected: tuple[int, ...]
) -> None:
    add(teacher, "S1", "Before")

    def log_concurrently() -> None:
        (work,), (one,) = database["imports"].find(), database["students"].find()
        entry = {"import_id": work["_id"], "row": row, "student": one["_id"], "before": 1, "created": False}
        database["import_changes"].insert_one(entry | {"expires_at": FUTURE})

    colleague.before("prepare", 1, log_concurrently)

    report = imported(teacher, "roll_no,name\nS1,After\n", on_error="skip")

    assert counts(report) == expected
