"""Helpers for tests that kill a server during an import."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
from pymongo.database import Database

from modules.transfers.imports.plan import changes_of
from tests.processes import ROOT, until
from tests.servers import Server, launch
from tests.transfers.helpers import CSV, JSON, embedded_database, sign_in_at, students

ASYNC = {"Prefer": "respond-async"}
HEADER = "roll_no,name,branch,math\n"
EXPIRED = datetime.fromtimestamp(0, UTC)


def start(folder: Path, app: str) -> Server:
    options = ["--app-dir", str(ROOT), "--port", "0", "--timeout-graceful-shutdown", "2"]
    return launch(folder, "-m", "uvicorn", app, *options)


@dataclass
class School:
    """A data folder with a server that is killed and restarted."""

    folder: Path
    database: Database[JSON]
    server: Server
    app: str = "main:app"
    client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.client = self.server.client()
        sign_in_at(self.client)

    def restart(self, end: Callable[[Server], object] = Server.kill) -> None:
        """Kill the server and start the next one. Heartbeats are set to expired, so that the test need not wait.

        This is done at the end, because the database may still execute a command of the killed server.
        """
        end(self.server)
        self.client.close()
        self.server = start(self.folder, self.app)
        self.connect()
        working = {"state": {"$in": ["receiving", "running", "undoing"]}}
        self.database["imports"].update_many(working, {"$set": {"alive_at": EXPIRED}})

    def clear(self) -> None:
        """Delete all students and imports."""
        for name in ("students", "student_history", "student_changes", "imports", "import_changes", "import_files"):
            self.database[name].delete_many({})

    def ask(self, method: str, path: str, status: int, **options: Any) -> JSON:
        answer = self.client.request(method, path, **options)
        assert answer.status_code == status, answer.text[:500]
        report: JSON = answer.json()
        return report

    def send(self, text: str, status: int = 202, key: str | None = None, **params: str) -> JSON:
        headers = ASYNC | {"Content-Type": CSV} | ({"Idempotency-Key": key} if key else {})
        return self.ask("POST", "/imports", status, content=text.encode(), params=params, headers=headers)

    def kill_at(self, import_id: str, **least: int) -> None:
        """Kill the server during the import or the undo, once these fields of the import have at least these values.

        Assert that the import is then interrupted.
        """
        until(lambda: self._has_reached(import_id, least))
        self.restart()
        report = self.ask("GET", f"/imports/{import_id}", 200)
        assert (report["state"], report["finished_at"]) == ("interrupted", None)

    def _has_reached(self, import_id: str, least: dict[str, int]) -> bool:
        now = next(one for one in self.database["imports"].find() if str(one["_id"]) == import_id)
        return now.get("writing", False) and all(now[name] >= number for name, number in least.items())


def file_of(rows: int) -> str:
    return HEADER + "".join(f"S{number:05},Student {number},Physics,{number % 101}\n" for number in range(rows))


def content_of(rows: int) -> dict[str, JSON]:
    return {
        f"S{number:05}": {"name": f"Student {number}", "branch": "Physics", "marks": {"math": number % 101}}
        for number in range(rows)
    }


def prepare(school: School, rows: int) -> tuple[dict[str, JSON], tuple[int, ...]]:
    """Create some students, part of them as in the file. Return them, and the counts that an import should report."""
    initial = HEADER + "".join(
        f"S{number:05},{'Student' if number % 3 else 'Pupil'} {number},Physics,{number % 101}\n"
        for number in range(0, rows, 2)
    )
    answer = school.client.post("/imports", content=initial.encode(), headers={"Content-Type": CSV})
    assert answer.status_code == 201
    updated = len(range(0, rows, 6))
    return students(school.client), (rows, rows // 2, updated, rows // 2 - updated, 0)


def assert_complete(school: School, import_id: str, rows: int) -> None:
    """Assert that all rows of the file are stored, each student once, and each written and listed once by this
    import."""
    assert students(school.client) == content_of(rows)
    collection = school.database["students"]
    assert len(collection.distinct("roll_no")) == collection.count_documents({}) == rows
    own = {"source": f"import {import_id}"}
    past = list(school.database["student_history"].find(own, {"student": 1}))
    assert past == []
    assert {one["version"] for one in collection.find(own, {"version": 1})} == {1, 2}
    assert collection.count_documents({"version": {"$gt": 2}}) == 0
    assert school.database["import_files"].count_documents({}) == 0
    plan = [page for page in school.database["import_plans"].find() if str(page["import_id"]) == import_id]
    assert sorted(entry["row"] for page in plan for entry in page["entries"]) == list(range(1, rows + 1))
    updated = [entry for page in plan for entry in page["entries"] if entry["outcome"] == "updated"]
    assert all([field for field, _, _ in changes_of(entry)] == ["name"] for entry in updated)


@contextmanager
def open_school(folder: Path, app: str = "main:app") -> Iterator[School]:
    """Run a school while the context is open."""
    server = start(folder, app)
    with embedded_database(folder) as database:
        school = School(folder, database, server, app)
        yield school
        school.client.close()
        school.server.stop()
