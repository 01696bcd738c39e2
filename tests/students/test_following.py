"""Modules that follow students: their handlers are called until they succeed, in order, and alone."""

import asyncio
from argparse import Namespace
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from beanie import Document, PydanticObjectId
from bson import ObjectId
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.command import CommandError
from core.events import Follow
from core.identity import Role
from core.module import Module
from core.registry import discover
from core.settings import Settings
from modules.students import CHANGED, ERASED, GONE, ErasedStudent, StudentSnapshot, background
from modules.students.changes import delivery
from modules.students.commands import forget_module
from modules.students.erasure import service as erasure
from modules.students.records import integrity
from tests.auth.people import Person, make
from tests.conftest import AppClient, sign_in
from tests.kit import deliver, run_job, without_jobs
from tests.processes import until
from tests.servers import PATIENCE
from tests.students.follower import paused
from tests.transfers.helpers import database_of

JSON = dict[str, Any]
EPOCH = datetime.fromtimestamp(0, UTC)
PURGE = "/students/S1?purge=true"


class Note(Document):
    """What the module of these tests stores: a student's name, by the student's `_id`."""

    id: PydanticObjectId
    name: str
    deleted: bool

    class Settings:
        name = "notes"


class Notes:
    """The handlers of the module, with what they were called with. While `broken`, they raise an error."""

    broken: ClassVar[bool] = False
    calls: ClassVar[list[Sequence[str]]] = []

    @classmethod
    async def refresh(cls, students: Sequence[StudentSnapshot]) -> None:
        cls.calls.append([student.roll_no for student in students])
        assert not cls.broken
        for student in students:
            await Note(id=PydanticObjectId(student.id), name=student.name, deleted=bool(student.deleted_at)).save()

    @classmethod
    async def forget(cls, student: ErasedStudent) -> None:
        cls.calls.append(sorted(student.roll_nos))
        assert not cls.broken
        await Note.find({"_id": student.id}).delete()


NOTES = Module(name="notes", documents=(Note,), follows=(Follow(ERASED, Notes.forget), Follow(CHANGED, Notes.refresh)))
MODULES = (*without_jobs(), NOTES)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[JSON]]:
    with database_of(settings) as database:
        yield database


@pytest.fixture
def client(open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a client of the service with the module, whose changes are delivered only by `deliver`."""
    monkeypatch.setattr(Notes, "broken", False)
    monkeypatch.setattr(Notes, "calls", [])
    return sign_in(open_client(modules=MODULES))


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


def create(client: TestClient, *roll_nos: str) -> None:
    for roll_no in roll_nos:
        body = {"roll_no": roll_no, "name": f"Name of {roll_no}", "branch": "Art"}
        assert client.post("/students", json=body).status_code == 201


def names(database: Database[JSON]) -> list[str]:
    return sorted(note["name"] for note in database["notes"].find())


@contextmanager
def broken() -> Iterator[None]:
    """Let the handlers of the module fail."""
    Notes.broken = True
    yield
    Notes.broken = False


def test_a_module_gets_every_change_once_in_order(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH", 2)
    create(client, "S3", "S1", "S2")

    deliver(client)
    deliver(client)
    client.delete("/students/S1")
    deliver(client)
    client.post("/students/S3/rename", json={"roll_no": "S4"})
    deliver(client)

    assert Notes.calls == [["S3", "S1"], ["S2"], ["S1"], ["S4"]]


def test_changes_are_delivered_without_being_asked_for(open_client: AppClient, database: Database[JSON]) -> None:
    reached = asyncio.Event()

    async def refresh(_: object) -> None:
        reached.set()

    client = sign_in(open_client(modules=[*discover(), Module(name="notes", follows=(Follow(CHANGED, refresh),))]))
    create(client, "S1")

    assert client.portal
    client.portal.call(asyncio.wait_for, reached.wait(), 30)


def test_a_failed_delivery_is_repeated_later(
    client: TestClient, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1")
    with broken():
        deliver(client)
    deliver(client)
    assert Notes.calls == [["S1"]], "the module is not called again at once"

    database["student_change_followers"].update_one({}, {"$set": {"retry_at": EPOCH}})
    deliver(client)

    assert Notes.calls == [["S1"]] * 2
    assert names(database) == ["Name of S1"]


def test_a_module_that_cannot_follow_is_named_until_it_can(client: TestClient, database: Database[JSON]) -> None:
    create(client, "S1")

    def fail_again() -> None:
        database["student_change_followers"].update_one({"_id": "notes"}, {"$set": {"retry_at": EPOCH}})
        deliver(client)
        deliver(client)

    with broken():
        fail_again()
        fail_again()
        assert (client.get("/readyz").json()["status"], data_check(client)) == ("ok", [])
        fail_again()
        answer = client.get("/readyz")
        (finding,) = data_check(client)
    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "checks": {"database": "ok", "notes/changed": "failing"}}
    assert "The module notes could not follow the changes of students 3 times in a row" in finding

    fail_again()

    assert (client.get("/readyz").json()["status"], data_check(client)) == ("ok", [])


def test_a_module_whose_handler_was_cancelled_is_called_again(open_client: AppClient, database: Database[JSON]) -> None:
    async def cancel(_: object) -> None:
        raise asyncio.CancelledError

    client = sign_in(open_client(modules=[*UNFOLLOWED, Module(name="notes", follows=(Follow(CHANGED, cancel),))]))
    create(client, "S1")
    deliver(client)

    (follower,) = database["student_change_followers"].find()
    assert follower["failures"] == 1


def test_a_module_that_hangs_does_not_delay_others(open_client: AppClient) -> None:
    got: list[str] = []

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    async def refresh(students: Sequence[StudentSnapshot]) -> None:
        got.extend(student.roll_no for student in students)

    handlers = {"first": hang, "second": refresh}
    followers = [Module(name=name, follows=(Follow(CHANGED, handle),)) for name, handle in handlers.items()]
    client = sign_in(open_client(modules=[*discover(), *followers]))
    for roll_no in ("S1", "S2"):
        create(client, roll_no)
        until(lambda roll_no=roll_no: roll_no in got, within=20)  # type: ignore[misc]


def test_a_call_that_a_dead_process_has_begun_is_repeated_after_its_lease(
    client: TestClient, database: Database[JSON]
) -> None:
    leases = database["leases"]
    create(client, "S1")
    deliver(client)
    create(client, "S2")
    lease = {"owner": "a dead process", "expires_at": datetime.now(UTC) + timedelta(minutes=1)}
    assert leases.update_one({"_id": "students/changes for notes"}, {"$set": lease}).matched_count

    deliver(client)
    assert Notes.calls == [["S1"]]
    leases.update_one({"_id": "students/changes for notes"}, {"$set": {"expires_at": EPOCH}})
    deliver(client)

    assert Notes.calls == [["S1"], ["S2"]]


def test_a_process_that_was_paused_does_not_set_the_position_back(client: TestClient, database: Database[JSON]) -> None:
    create(client, "S1")

    with paused(client, Note, "save", lambda: deliver(client)) as finish:
        database["leases"].update_one({"_id": "students/changes for notes"}, {"$set": {"expires_at": EPOCH}})
        create(client, "S2")
        deliver(client)
        finish()

    (follower,) = database["student_change_followers"].find({"_id": "notes"})
    assert follower["position"] == 2


def test_a_purge_deletes_what_a_module_has_stored(client: TestClient, admin: Person, database: Database[JSON]) -> None:
    create(client, "S1", "S2")
    client.post("/students/S2/rename", json={"roll_no": "S3"})
    deliver(client)

    answer = admin.ask("DELETE", "/students/S3?purge=true")

    assert (answer.status_code, answer.content) == (204, b"")
    assert Notes.calls[-1] == ["S2", "S3"]
    assert names(database) == ["Name of S1"]
    deliver(client)
    assert names(database) == ["Name of S1"]


def test_a_purge_is_not_final_before_every_module_has_forgotten(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1")
    deliver(client)

    with broken():
        first, again = (admin.ask("DELETE", PURGE) for _ in range(2))
    asked = admin.ask("GET", first.headers["Location"])

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json() == asked.json()
    assert (asked.json()["finished"], asked.json()["waits_for"]) == (False, ["notes"])
    assert client.get("/students/S1").status_code == 404
    assert client.get(first.headers["Location"]).status_code == 403
    assert admin.ask("GET", "/erasures").json() == []
    assert names(database) == ["Name of S1"]

    run_at_start(client)

    finished = admin.ask("GET", first.headers["Location"]).json()
    assert (finished["finished"], finished["waits_for"]) == (True, [])
    assert [one["erasure_id"] for one in admin.ask("GET", "/erasures").json()] == [finished["erasure_id"]]
    assert names(database) == []


def run_at_start(client: TestClient) -> None:
    """Run what the module runs when the service starts."""

    async def start() -> None:
        async with background.lifespan():
            await erasure.finish_erasures()

    assert client.portal
    client.portal.call(start)


def test_a_purge_waits_for_a_module_that_is_switched_off(
    client: TestClient, admin: Person, open_client: AppClient, settings: Settings, database: Database[JSON]
) -> None:
    create(client, "S1")
    deliver(client)

    without = open_client(modules=discover())
    without.headers["Authorization"] = f"Bearer {admin.token}"
    answer = without.delete(PURGE)

    assert (answer.status_code, answer.json()["waits_for"]) == (202, ["notes"])
    assert names(database) == ["Name of S1"]
    assert without.portal
    (finding,) = without.portal.call(findings)
    assert answer.json()["erasure_id"] in finding
    assert "waits for the module notes, which is switched off" in finding

    again = open_client(modules=[*discover(), NOTES])
    run_job(again, erasure.finish_erasures)

    assert again.get(answer.headers["Location"], headers=without.headers).json()["finished"] is True
    assert names(database) == []
    assert again.portal
    assert again.portal.call(findings) == []


def test_an_erasure_does_not_wait_for_a_module_that_was_deleted(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1")
    with broken():
        assert admin.ask("DELETE", PURGE).status_code == 202
    assert client.portal
    (finding,) = client.portal.call(findings)
    assert finding.endswith("run: python -m core forget-module notes")

    assert "no longer wait for the module notes" in client.portal.call(forget_module.run, Namespace(name="notes"))

    assert "notes" not in database["erasure_followers"].distinct("_id")
    assert database["student_change_followers"].count_documents({}) == 0
    client.portal.call(erasure.finish_erasures)
    assert len(admin.ask("GET", "/erasures").json()) == 1
    for name, error in (("notes", "No module notes has followed"), ("transfers", "modules/transfers/__init__.py")):
        with pytest.raises(CommandError, match=error):
            client.portal.call(forget_module.run, Namespace(name=name))


def data_check(client: TestClient) -> list[str]:
    assert client.portal
    found: list[str] = client.portal.call(findings)
    return found


async def findings() -> list[str]:
    return [finding async for finding in integrity.data_check()]


def test_a_student_who_is_erased_during_a_delivery_is_not_stored_again(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1")

    with paused(client, Note, "save", lambda: deliver(client)) as finish, ThreadPoolExecutor(1) as pool:
        erasing = pool.submit(admin.ask, "DELETE", PURGE)
        until(lambda: database["students"].find_one({"erasing.at": {"$exists": True}}))
        finish()
        assert erasing.result(PATIENCE).status_code == 204

    assert Notes.calls == [["S1"], ["S1"]]
    assert names(database) == []


def test_an_erasure_does_not_wait_for_long_for_a_delivery(
    client: TestClient, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAIT_SECONDS", 0.0)
    create(client, "S1")

    with paused(client, Note, "save", lambda: deliver(client)) as finish:
        assert admin.ask("DELETE", PURGE).status_code == 202
        finish()

    assert admin.ask("DELETE", PURGE).status_code == 204


class Slow:
    """A module that follows only erasures, and how many calls of its handler were in progress at once."""

    running: ClassVar[int] = 0
    most: ClassVar[int] = 0

    @classmethod
    async def forget(cls, _: ErasedStudent) -> None:
        cls.running += 1
        cls.most = max(cls.most, cls.running)
        try:
            await cls.work()
        finally:
            cls.running -= 1

    @classmethod
    async def work(cls) -> None:
        """Take no time, unless a test replaces this."""


UNFOLLOWED = [module for module in without_jobs() if not module.followed]
SLOW = (*UNFOLLOWED, Module(name="slow", follows=(Follow(ERASED, Slow.forget),)))


@pytest.fixture
def slow(open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a client of the service with the module `slow`."""
    monkeypatch.setattr(Slow, "most", 0)
    client = sign_in(open_client(modules=SLOW))
    create(client, "S1", "S2")
    return client


def test_handlers_of_erasures_of_one_module_never_overlap(
    slow: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = make(slow, settings, "principal", Role.ADMIN)
    monkeypatch.setattr(delivery, "WAIT_SECONDS", 0.0)

    with paused(slow, Slow, "work", lambda: admin.ask("DELETE", PURGE)) as finish:
        waits = [admin.ask("DELETE", path).json()["waits_for"] for path in (PURGE, "/students/S2?purge=true")]
        assert finish().status_code == 204

    assert (waits, Slow.most) == ([["slow"]] * 2, 1)


def test_a_handler_of_erasures_has_a_limited_time(
    slow: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = make(slow, settings, "principal", Role.ADMIN)
    monkeypatch.setattr(delivery, "CALL_SECONDS", 0.01)

    async def take_time() -> None:
        await asyncio.sleep(0.1)

    monkeypatch.setattr(Slow, "work", take_time)
    first = admin.ask("DELETE", PURGE)
    assert (first.status_code, first.json()["waits_for"]) == (202, ["slow"])
    assert slow.portal
    slow.portal.call(erasure.finish_erasures)

    assert admin.ask("GET", first.headers["Location"]).json()["finished"] is True


def test_a_module_whose_handler_fails_does_not_keep_others_from_a_sweep(
    open_client: AppClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "CALL_SECONDS", 0.01)
    swept: list[Collection[ObjectId]] = []

    async def fail(_: object) -> None:
        raise KeyError("oh")

    async def hang(_: object) -> None:
        await asyncio.Event().wait()

    async def sweep(erased: Collection[ObjectId]) -> None:
        swept.append(erased)

    handlers = {"first": fail, "second": hang, "third": sweep}
    followers = [Module(name=name, follows=(Follow(GONE, handle),)) for name, handle in handlers.items()]
    client = sign_in(open_client(modules=[*UNFOLLOWED, *followers]))
    create(client, "S1")
    assert make(client, settings, "principal", Role.ADMIN).ask("DELETE", PURGE).status_code == 204

    assert client.portal
    with pytest.raises(ExceptionGroup, match="erased students: first, second") as raised:
        client.portal.call(erasure.sweep)

    assert [type(error) for error in raised.value.exceptions] == [KeyError, TimeoutError]
    assert [len(erased) for erased in swept] == [1]


@pytest.mark.parametrize("erasure_id", ["unknown", "a.b", "x" * 65])
def test_an_unknown_erasure_is_not_found(admin: Person, erasure_id: str) -> None:
    assert admin.ask("GET", f"/erasures/{erasure_id}").status_code == (404 if erasure_id == "unknown" else 422)


def test_responses_for_repeated_requests_are_kept_while_an_erasure_waits(client: TestClient, admin: Person) -> None:
    create(client, "S1")
    with broken():
        assert admin.ask("DELETE", PURGE).status_code == 202
        key = {"Idempotency-Key": "again"}
        body = {"roll_no": "S2", "name": "n", "branch": "b"}
        assert client.post("/students", json=body, headers=key).status_code == 201
        run_at_start(client)

    assert client.post("/students", json=body, headers=key).status_code == 201
    run_at_start(client)
    assert client.post("/students", json=body, headers=key).json()["type"] == "/problems/response-not-kept"


def test_a_student_whose_erasure_waits_is_not_delivered(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1")
    with broken():
        assert admin.ask("DELETE", PURGE).status_code == 202

    deliver(client)

    assert Notes.calls == [["S1"]], "only the handler of the erasure was called"
    assert names(database) == []
