"""Imports whose server is killed: their state is `interrupted`, and they can be finished or undone completely."""

import random
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.processes import until
from tests.transfers.helpers import CSV, JSON, counts, students
from tests.transfers.killed import (
    ASYNC,
    EXPIRED,
    HEADER,
    School,
    assert_complete,
    content_of,
    file_of,
    open_school,
    prepare,
)

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

ROWS = 6_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    with open_school(tmp_path_factory.mktemp("interrupted")) as school:
        yield school


@pytest.fixture
def school(running: School) -> School:
    """Return the school without any students and imports."""
    running.clear()
    return running


def test_a_killed_import_can_be_resumed(school: School) -> None:
    _, expected = prepare(school, ROWS)
    report = school.send(file_of(ROWS))

    school.kill_at(report["id"], position=2_000)
    finished = school.ask("POST", f"/imports/{report['id']}/resume", 200)

    assert (finished["state"], counts(finished), finished["percent"]) == ("done", expected, 100)
    assert_complete(school, report["id"], ROWS)
    again = school.client.post(f"/imports/{report['id']}/resume")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/nothing-to-do")


def test_an_import_that_is_killed_repeatedly_can_be_completed(school: School) -> None:
    _, expected = prepare(school, ROWS)
    report = school.send(file_of(ROWS))

    positions = sorted(random.Random(5).sample(range(ROWS - 2_000), 3))
    for position in positions:
        school.kill_at(report["id"], position=position)
        school.ask("POST", f"/imports/{report['id']}/resume", 202, headers=ASYNC)

    finished = until(lambda: finished_import(school, report["id"]))
    assert (finished["state"], counts(finished)) == ("done", expected)
    assert_complete(school, report["id"], ROWS)


def finished_import(school: School, import_id: str) -> JSON | None:
    report = school.ask("GET", f"/imports/{import_id}", 200)
    return report if report["state"] not in ("running", "undoing") else None


def test_a_killed_import_can_be_undone(school: School) -> None:
    before, _ = prepare(school, ROWS)
    report = school.send(file_of(ROWS))
    school.kill_at(report["id"], position=2_000)
    own = {"source": f"import {report['id']}"}
    written = school.database["students"].count_documents(own)
    assert written > 0

    undone = school.ask("POST", f"/imports/{report['id']}/undo", 200)

    assert (undone["state"], undone["restored"], undone["kept_count"]) == ("undone", written, 0)
    assert students(school.client) == before
    assert school.database["import_files"].count_documents({}) == 0


def test_a_killed_undo_can_be_resumed(school: School) -> None:
    before, (_, created, updated, *_) = prepare(school, ROWS)
    answer = school.client.post("/imports", content=file_of(ROWS).encode(), headers={"Content-Type": CSV})
    import_id = answer.json()["id"]

    school.ask("POST", f"/imports/{import_id}/undo", 202, headers=ASYNC)
    school.kill_at(import_id, restored=1_000)
    undone = school.ask("POST", f"/imports/{import_id}/resume", 200)

    assert (undone["state"], undone["restored"], undone["kept_count"]) == ("undone", created + updated, 0)
    assert students(school.client) == before


def test_the_idempotency_key_still_identifies_a_killed_import(school: School) -> None:
    report = school.send(file_of(ROWS), key="class 7b")
    school.kill_at(report["id"], position=1_000)
    written = school.database["students"].count_documents({})

    again = school.send(file_of(ROWS), 200, key="class 7b")

    assert (again["id"], again["state"]) == (report["id"], "interrupted")
    assert school.database["students"].count_documents({}) == written
    assert school.send(file_of(10), 422, key="class 7b")["type"] == "/problems/key-reused"
    assert counts(school.ask("POST", f"/imports/{report['id']}/resume", 200)) == (ROWS, ROWS, 0, 0, 0)
    assert students(school.client) == content_of(ROWS)


def test_a_stopped_server_releases_its_imports_at_once(school: School) -> None:
    report = school.send(file_of(12_000))
    until(lambda: school.database["students"].count_documents({}) > 0)

    assert school.server.stop() == 0
    left = school.database["imports"].find_one({})
    school.restart(lambda _: None)

    assert left
    assert left["alive_at"] == EXPIRED
    assert school.ask("GET", f"/imports/{report['id']}", 200)["state"] == "interrupted"
    assert counts(school.ask("POST", f"/imports/{report['id']}/resume", 200)) == (12_000, 12_000, 0, 0, 0)
    assert school.database["students"].count_documents({}) == 12_000


def test_a_stopped_server_does_not_wait_for_a_synchronous_import(school: School) -> None:
    def send_and_wait() -> None:
        headers = {"Content-Type": CSV, "Idempotency-Key": "once"}
        answer = school.client.post("/imports", content=file_of(100_000).encode(), headers=headers)
        assert answer.status_code >= 500

    waiting = Thread(target=send_and_wait)
    waiting.start()
    until(lambda: school.database["students"].count_documents({}) > 0)

    school.server.stop()
    waiting.join()
    left = school.database["imports"].find_one({})
    school.restart(lambda _: None)

    assert left
    assert (left["state"], left["alive_at"]) == ("running", EXPIRED)
    assert left["position"] < 100_000


def test_an_upload_to_a_killed_server_can_be_sent_again(school: School) -> None:
    school.send(HEADER + "X1,Asha,Physics,1\n", key="once")
    until(lambda: school.database["imports"].count_documents({"state": "done"}))
    changes = {"$set": {"state": "receiving", "alive_at": EXPIRED}, "$unset": {"fingerprint": "", "size": ""}}
    school.database["imports"].update_many({}, changes)
    import_id = str(next(school.database["imports"].find())["_id"])

    resumed = school.client.post(f"/imports/{import_id}/resume")
    sent = school.send(file_of(3), key="once")

    assert (resumed.status_code, resumed.json()["type"]) == (409, "/problems/nothing-to-do")
    assert sent["id"] != import_id
    assert until(lambda: finished_import(school, sent["id"]))["created"] == 3
