"""A server that is killed at any step of a write leaves no partial write.

Each test kills a server again and again, each time one command later, until the write completes. The next server on the
same data folder must find consistent data.
"""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from pymongo import MongoClient

from core.database.embedded import find_mongod, run_embedded
from tests.processes import ROOT, until
from tests.servers import PATIENCE, Server, launch

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

JSON = dict[str, Any]

PASSWORD = "giraffe-9-umbrella"
FRESH = {"name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}


def start(folder: Path) -> Server:
    """Start a server that kills itself on request; see `dying_app`."""
    return launch(folder, "-m", "uvicorn", "tests.dying_app:app", "--app-dir", str(ROOT), "--port", "0")


@dataclass
class School:
    """A data folder, its server, which is restarted after each kill, and a client whose user is an admin."""

    folder: Path
    server: Server
    client: httpx2.Client
    numbers: Iterator[int] = field(default_factory=itertools.count)
    headers: dict[str, str] = field(default_factory=dict)
    copy: dict[str, JSON] = field(default_factory=dict)
    """The copy of a consumer of the feed of changes: each student by its key."""
    token: str | None = None

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
        return self.client.request(method, path, json=body, headers=self.headers | headers)

    def read(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send_and_kill(self, method: str, path: str, body: object, after: int) -> httpx2.Response | None:
        """Send a request that kills the server after this number of commands, and start a new one.

        If the server survives, return the response; otherwise None.
        """
        try:
            return self.ask(method, path, body, **{"X-Die-After": str(after)})
        except httpx2.TransportError:
            assert self.server.process.wait(PATIENCE) == -signal.SIGKILL
        self.client.close()
        self.server = start(self.folder)
        self.client = self.server.client()
        return None

    def history(self, roll_no: str) -> list[JSON]:
        """Return the history, newest version first, read page by page. It is empty for an unknown student."""
        found: list[JSON] = []
        address: str | None = f"/students/{roll_no}/history?limit=1"
        while address:
            answer = self.ask("GET", address)
            if answer.status_code == 404:
                return []
            assert answer.status_code == 200, answer.text
            found += answer.json()
            address = answer.links["next"]["url"] if "next" in answer.links else None
        return found

    def versions(self, roll_no: str) -> list[JSON]:
        """Return all versions as whole records, oldest first."""
        history = self.history(roll_no)[::-1]
        return [self.read(f"/students/{roll_no}/history/{one['version']}") for one in history]

    def follow(self) -> None:
        """Update the copy from the feed, and check that it equals the list of students."""
        more = True
        while more:
            answer = self.read("/changes" + (f"?since={self.token}" if self.token else ""))
            for change in answer["changes"]:
                self.copy[change["key"]] = change["student"]
            self.token, more = answer["next"], answer["more"]
        live = [student for student in self.copy.values() if student]
        assert sorted(live, key=lambda one: str(one["roll_no"])) == self.read("/students?limit=500")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crash")


@pytest.fixture(scope="module")
def database(folder: Path) -> "Iterator[MongoClient[JSON]]":
    """Return a client of the data folder's embedded mongod."""
    mongod = find_mongod(None, folder / "data")
    assert mongod
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")) as embedded,
        MongoClient[JSON](embedded.url) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def school(folder: Path, database: "MongoClient[JSON]") -> Iterator[School]:
    made = subprocess.run(
        [sys.executable, "-m", "core", "create-admin", "principal"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "BCRYPT_COST": "4"},
        input=f"{PASSWORD}\n",
        text=True,
        check=False,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    server = start(folder)
    school = School(folder, server, server.client())
    answer = school.client.post("/login", data={"username": "principal", "password": PASSWORD})
    school.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    yield school
    school.client.close()
    school.server.stop()


Prepare = Callable[[School, str], None]


def create_live(school: School, roll_no: str) -> None:
    """Create a student with three versions."""
    assert school.ask("POST", "/students", FRESH | {"roll_no": roll_no}).status_code == 201
    for name in ("Asha R.", "Asha"):
        assert school.ask("PATCH", f"/students/{roll_no}", {"name": name}).status_code == 200


def create_deleted(school: School, roll_no: str) -> None:
    create_live(school, roll_no)
    assert school.ask("DELETE", f"/students/{roll_no}").status_code == 204


@dataclass(frozen=True)
class Write:
    """A write, the function that creates its student, and the action that the history records."""

    name: str
    prepare: Prepare
    method: str
    path: str
    body: JSON | None
    action: str


WRITES = [
    Write("patch", create_live, "PATCH", "/students/{0}", {"name": "New", "marks": {"art": 7}}, "updated"),
    Write("rename", create_live, "POST", "/students/{0}/rename", {"roll_no": "{0}-new"}, "renamed"),
    Write("delete", create_live, "DELETE", "/students/{0}", None, "deleted"),
    Write("restore", create_deleted, "POST", "/students/{0}/restore", None, "restored"),
    Write(
        "create again",
        create_deleted,
        "POST",
        "/students?continue=true",
        FRESH | {"roll_no": "{0}", "branch": "Art"},
        "created",
    ),
]


def filled_in(body: JSON | None, roll_no: str) -> JSON | None:
    return body and {name: value.format(roll_no) if isinstance(value, str) else value for name, value in body.items()}


def interruptions(school: School, write: Write) -> Iterator[tuple[str, list[JSON]]]:
    """Interrupt the request after each of its commands that write, every time with a new student. After each
    interruption, yield the student's roll number and the versions from before the request.

    First send the request without interruption, to count these commands. For the database, a kill after one is the same
    as a kill before the next one, and a kill before the first one changes nothing.
    """
    commands = 0
    for step in itertools.count():
        roll_no = f"S{next(school.numbers)}"
        write.prepare(school, roll_no)
        before = school.versions(roll_no)
        school.follow()
        answer = school.send_and_kill(write.method, write.path.format(roll_no), filled_in(write.body, roll_no), step)
        if answer is None:
            yield roll_no, before
        else:
            commands = int(answer.headers["X-Writes"])
            assert step == 0
            assert answer.is_success, answer.text
            assert commands >= 2, "expected at least a copy and a replacement"
        if step == commands:
            return


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.name)
def test_an_interrupted_write_is_done_completely_or_not_at_all(school: School, write: Write) -> None:
    outcomes = []

    for roll_no, before in interruptions(school, write):
        outcomes.append(check_consistent(school, write, roll_no, before))

    assert not outcomes[0]
    assert outcomes[-1]
    assert outcomes == sorted(outcomes)


def check_consistent(school: School, write: Write, roll_no: str, before: list[JSON]) -> bool:
    """Check that all data of the student is consistent, and that the next writes work.

    Return whether the write was done.
    """
    renamed = write.action == "renamed" and not school.history(roll_no)
    address = f"{roll_no}-new" if renamed else roll_no
    after = school.versions(address)
    assert after[: len(before)] == before
    assert [one["version"] for one in after] == list(range(1, len(after) + 1))
    done = len(after) > len(before)
    assert [one["action"] for one in after[len(before) :]] == ([write.action] if done else [])
    assert (after[-1] == before[-1]) is not done

    now = school.ask("GET", f"/students/{address}")
    if after[-1]["deleted"]:
        assert now.status_code == 404
    else:
        assert (now.status_code, now.json()) == (200, after[-1]["student"])
    school.follow()

    next_write = ("POST", "/restore", None) if after[-1]["deleted"] else ("PATCH", "", {"name": "Next"})
    answer = school.ask(next_write[0], f"/students/{address}{next_write[1]}", next_write[2])
    assert answer.status_code == 200, answer.text
    assert school.ask("PUT", f"/students/{address}/marks/pe", {"mark": 1}).status_code == 200
    assert school.versions(address)[: len(after)] == after
    assert [one["version"] for one in school.history(address)] == list(range(len(after) + 2, 0, -1))
    school.follow()
    return done


@pytest.mark.slowest
def test_an_interrupted_erasure_can_be_repeated(school: School, database: "MongoClient[JSON]") -> None:
    write = Write("erase", create_live, "DELETE", "/students/{0}?purge=true", None, "")
    students = database["student_management"]["students"]
    outcomes = []

    for roll_no, before in interruptions(school, write):
        left = school.history(roll_no)
        outcomes.append(not left)
        assert len(left) <= len(before) + 1
        school.follow()
        if left:
            assert school.ask("DELETE", f"/students/{roll_no}?purge=true").status_code == 204

        assert school.ask("GET", f"/students/{roll_no}/history").status_code == 404
        until(lambda: students.count_documents({"erasing.at": {"$exists": True}}) == 0)  # the next server's job
        assert_nothing_is_left(database, roll_no)
        school.follow()
        assert school.ask("POST", "/students", FRESH | {"roll_no": roll_no}).status_code == 201
        assert [one["version"] for one in school.history(roll_no)] == [1]

    assert not outcomes[0]
    assert outcomes[-1]
    assert outcomes == sorted(outcomes)


def assert_nothing_is_left(database: "MongoClient[JSON]", roll_no: str) -> None:
    """Check that each erased student has no record and no version, and one row that records the erasure."""
    stored = database["student_management"]
    students = {one["_id"] for one in stored["students"].find({}, ["_id"])}
    assert stored["students"].count_documents({"roll_no": roll_no}) == 0
    assert stored["student_history"].count_documents({"roll_no": roll_no}) == 0
    assert set(stored["student_history"].distinct("student")) <= students
    rows = stored["student_erasures"].find().to_list()
    assert not students & {row["_id"] for row in rows}
    erased = {one["student"] for one in stored["student_changes"].find()} - students
    assert erased == {row["_id"] for row in rows}
