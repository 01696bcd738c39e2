"""Imports whose server is killed: they say so, and can be finished or taken back, to the last row."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
from pymongo.database import Database

from tests.processes import ROOT, until
from tests.servers import Server, launch
from tests.transfers.helpers import CSV, JSON, counts, embedded_database, sign_in_at, students

ROWS = 6_000
ASYNC = {"Prefer": "respond-async"}
HEADER = "roll_no,name,branch,math\n"
FORGOTTEN = datetime.fromtimestamp(0, UTC)


def start(folder: Path) -> Server:
    options = ["--app-dir", str(ROOT), "--port", "0", "--timeout-graceful-shutdown", "2"]
    return launch(folder, "-m", "uvicorn", "main:app", *options)


@dataclass
class School:
    """A data folder with a server on it, which is killed and started anew."""

    folder: Path
    database: Database[JSON]
    server: Server
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.client = self.server.client()
        sign_in_at(self.client)

    def restart(self, end: Callable[[Server], object] = Server.kill) -> None:
        """End the server, as a power cut would, and start the next one. Nobody waits for the patience to run out."""
        end(self.server)
        self.client.close()
        working = {"state": {"$in": ["receiving", "running", "undoing"]}}
        self.database["imports"].update_many(working, {"$set": {"alive_at": FORGOTTEN}})
        self.server = start(self.folder)
        self.connect()

    def ask(self, method: str, path: str, status: int, **options: Any) -> JSON:
        answer = self.client.request(method, path, **options)
        assert answer.status_code == status, answer.text[:500]
        told: JSON = answer.json()
        return told

    def send(self, text: str, status: int = 202, key: str | None = None, **params: str) -> JSON:
        headers = ASYNC | {"Content-Type": CSV} | ({"Idempotency-Key": key} if key else {})
        return self.ask("POST", "/imports", status, content=text.encode(), params=params, headers=headers)

    def kill_at(self, import_id: str, **least: int) -> None:
        """Kill the server once the import has come so far in the pass that writes, or in its undo; and let the import
        be interrupted."""
        until(lambda: self._has_come_to(import_id, least))
        self.restart()
        told = self.ask("GET", f"/imports/{import_id}", 200)
        assert (told["state"], told["finished_at"]) == ("interrupted", None)

    def _has_come_to(self, import_id: str, least: dict[str, int]) -> bool:
        now = next(one for one in self.database["imports"].find() if str(one["_id"]) == import_id)
        return now.get("writing", False) and all(now[name] >= number for name, number in least.items())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    folder = tmp_path_factory.mktemp("interrupted")
    server = start(folder)
    with embedded_database(folder) as database:
        school = School(folder, database, server)
        yield school
        school.client.close()
        school.server.stop()


@pytest.fixture
def school(running: School) -> School:
    """The school, without any students and imports."""
    for name in ("students", "student_history", "student_changes", "imports", "import_changes", "import_files"):
        running.database[name].delete_many({})
    return running


def the_file(rows: int = ROWS) -> str:
    return HEADER + "".join(f"S{number:05},Student {number},Physics,{number % 101}\n" for number in range(rows))


def content(rows: int = ROWS) -> dict[str, JSON]:
    return {
        f"S{number:05}": {"name": f"Student {number}", "branch": "Physics", "marks": {"math": number % 101}}
        for number in range(rows)
    }


def prepare(school: School) -> tuple[dict[str, JSON], tuple[int, ...]]:
    """Some students who are there before, a part of them as in the file; what an import of the file counts."""
    there = HEADER + "".join(
        f"S{number:05},{'Student' if number % 3 else 'Pupil'} {number},Physics,{number % 101}\n"
        for number in range(0, ROWS, 2)
    )
    answer = school.client.post("/imports", content=there.encode(), headers={"Content-Type": CSV})
    assert answer.status_code == 201
    updated = len(range(0, ROWS, 6))
    return students(school.client), (ROWS, ROWS // 2, updated, ROWS // 2 - updated, 0)


def assert_in_order(school: School, import_id: str) -> None:
    """The whole content of the file is there, each student once, and each was written once by this import."""
    assert students(school.client) == content()
    collection = school.database["students"]
    assert len(collection.distinct("roll_no")) == collection.count_documents({}) == ROWS
    own = {"source": f"import {import_id}"}
    past = list(school.database["student_history"].find(own, {"student": 1}))
    assert past == []
    assert {one["version"] for one in collection.find(own, {"version": 1})} == {1, 2}
    assert collection.count_documents({"version": {"$gt": 2}}) == 0
    assert school.database["import_files"].count_documents({}) == 0


def test_a_killed_import_is_finished_later(school: School) -> None:
    _, expected = prepare(school)
    told = school.send(the_file())

    school.kill_at(told["id"], position=2_000)
    finished = school.ask("POST", f"/imports/{told['id']}/resume", 200)

    assert (finished["state"], counts(finished), finished["percent"]) == ("done", expected, 100)
    assert_in_order(school, told["id"])
    again = school.client.post(f"/imports/{told['id']}/resume")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/nothing-to-do")


def test_an_import_that_is_killed_again_and_again_ends_with_the_whole_file(school: School) -> None:
    _, expected = prepare(school)
    told = school.send(the_file())

    places = sorted(random.Random(5).sample(range(ROWS - 2_000), 3))
    for place in places:
        school.kill_at(told["id"], position=place)
        school.ask("POST", f"/imports/{told['id']}/resume", 202, headers=ASYNC)

    finished = until(lambda: finished_import(school, told["id"]))
    assert (finished["state"], counts(finished)) == ("done", expected)
    assert_in_order(school, told["id"])


def finished_import(school: School, import_id: str) -> JSON | None:
    told = school.ask("GET", f"/imports/{import_id}", 200)
    return told if told["state"] not in ("running", "undoing") else None


def test_a_killed_import_can_be_taken_back(school: School) -> None:
    before, _ = prepare(school)
    told = school.send(the_file())
    school.kill_at(told["id"], position=2_000)
    own = {"source": f"import {told['id']}"}
    written = school.database["students"].count_documents(own)
    assert written > 0

    undone = school.ask("POST", f"/imports/{told['id']}/undo", 200)

    assert (undone["state"], undone["restored"], undone["kept_count"]) == ("undone", written, 0)
    assert students(school.client) == before
    assert school.database["import_files"].count_documents({}) == 0


def test_an_undo_that_is_killed_is_finished_later(school: School) -> None:
    before, (_, created, updated, *_) = prepare(school)
    answer = school.client.post("/imports", content=the_file().encode(), headers={"Content-Type": CSV})
    import_id = answer.json()["id"]

    school.ask("POST", f"/imports/{import_id}/undo", 202, headers=ASYNC)
    school.kill_at(import_id, restored=1_000)
    undone = school.ask("POST", f"/imports/{import_id}/resume", 200)

    assert (undone["state"], undone["restored"], undone["kept_count"]) == ("undone", created + updated, 0)
    assert students(school.client) == before


def test_the_idempotency_key_of_a_killed_import_names_it_still(school: School) -> None:
    told = school.send(the_file(), key="class 7b")
    school.kill_at(told["id"], position=1_000)
    written = school.database["students"].count_documents({})

    again = school.send(the_file(), 200, key="class 7b")

    assert (again["id"], again["state"]) == (told["id"], "interrupted")
    assert school.database["students"].count_documents({}) == written
    assert school.send(the_file(10), 422, key="class 7b")["type"] == "/problems/key-reused"
    assert counts(school.ask("POST", f"/imports/{told['id']}/resume", 200)) == (ROWS, ROWS, 0, 0, 0)
    assert students(school.client) == content()


def test_a_server_that_is_stopped_lets_go_of_its_imports_at_once(school: School) -> None:
    told = school.send(the_file(12_000))
    until(lambda: school.database["students"].count_documents({}) > 0)

    assert school.server.stop() == 0
    left = school.database["imports"].find_one({})
    school.restart(lambda _: None)

    assert left
    assert left["alive_at"] == FORGOTTEN
    assert school.ask("GET", f"/imports/{told['id']}", 200)["state"] == "interrupted"
    assert counts(school.ask("POST", f"/imports/{told['id']}/resume", 200)) == (12_000, 12_000, 0, 0, 0)
    assert school.database["students"].count_documents({}) == 12_000


def test_a_server_that_is_stopped_does_not_stay_for_who_waits_for_an_import(school: School) -> None:
    def send_and_wait() -> None:
        headers = {"Content-Type": CSV, "Idempotency-Key": "once"}
        answer = school.client.post("/imports", content=the_file(100_000).encode(), headers=headers)
        assert answer.status_code >= 500

    waiting = Thread(target=send_and_wait)
    waiting.start()
    until(lambda: school.database["students"].count_documents({}) > 0)

    school.server.stop()
    waiting.join()
    left = school.database["imports"].find_one({})
    school.restart(lambda _: None)

    assert left
    assert (left["state"], left["alive_at"]) == ("running", FORGOTTEN)
    assert left["position"] < 100_000


def test_an_upload_whose_server_is_killed_can_be_sent_again(school: School) -> None:
    school.send(HEADER + "S1,Asha,Physics,1\n", key="once")
    until(lambda: school.database["imports"].count_documents({"state": "done"}))
    changes = {"$set": {"state": "receiving", "alive_at": FORGOTTEN}, "$unset": {"fingerprint": "", "size": ""}}
    school.database["imports"].update_many({}, changes)
    import_id = str(next(school.database["imports"].find())["_id"])

    resumed = school.client.post(f"/imports/{import_id}/resume")
    sent = school.send(the_file(3), key="once")

    assert resumed.status_code == 409
    assert "Send it again" in resumed.json()["detail"]
    assert sent["id"] != import_id
    assert until(lambda: finished_import(school, sent["id"]))["created"] == 3
