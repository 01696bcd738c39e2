"""Permissions that end during an import, or while a response is read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from core import identity
from core.clock import utc_now
from core.identity import Role
from core.settings import Settings
from modules.auth import account_store, admin_roster
from modules.transfers import streams
from modules.transfers.exports import service as exports
from modules.transfers.imports import import_job, progress_events, row_validation, service
from tests.auth.people import Person, make, stored
from tests.processes import until
from tests.transfers.helpers import JSON, send
from tests.transfers.helpers import stored as stored_students

FILE = "roll_no,name,branch,math\nS1,changed,b,1\nS2,new,b,2\n"

Step = Callable[[], Awaitable[object]]


async def sign_out() -> None:
    assert await account_store.change(await stored("teacher"), {"secret_key": "0" * 64})


async def deactivate() -> None:
    assert await account_store.change(await stored("teacher"), {"secret_key": "0" * 64, "active": False})


async def demote() -> None:
    assert await account_store.change(await stored("teacher"), {"role": Role.VIEWER})


async def delete() -> None:
    assert await admin_roster.delete(await stored("teacher"))


@pytest.fixture
def amy(client: TestClient, settings: Settings) -> Person:
    person = make(client, settings, "teacher", Role.TEACHER)
    client.headers["Authorization"] = f"Bearer {person.token}"
    return person


@pytest.fixture
def admin(client: TestClient, settings: Settings, amy: Person) -> Person:
    """Return an admin, who can still read the result."""
    return make(client, settings, "principal", Role.ADMIN)


def after_receiving(monkeypatch: pytest.MonkeyPatch, step: Step) -> None:
    """Run an action after the file has arrived and before its job begins."""
    receive = service.receive

    async def receive_then(*arguments: Any) -> None:
        await receive(*arguments)
        await step()

    monkeypatch.setattr(service, "receive", receive_then)


@pytest.mark.parametrize(
    ("headers", "on_error"), [({}, "reject"), ({}, "skip"), ({"Prefer": "respond-async"}, "reject")]
)
@pytest.mark.parametrize(("end", "status"), [(sign_out, 401), (deactivate, 401), (delete, 401), (demote, 403)])
def test_an_import_writes_nothing_after_its_user_lost_permission(  # noqa: PLR0913, PLR0917  # two sets of cases
    amy: Person,
    admin: Person,
    database: Database[JSON],
    monkeypatch: pytest.MonkeyPatch,
    end: Step,
    status: int,
    headers: dict[str, str],
    on_error: str,
) -> None:
    after_receiving(monkeypatch, end)
    before = stored_students(database)

    answer = send(amy.client, FILE, headers=headers, on_error=on_error)

    (found,) = admin.ask("GET", "/imports").json()
    until(lambda: admin.ask("GET", f"/imports/{found['id']}").json()["state"] == "failed")
    assert answer.status_code == (202 if headers else status)
    assert stored_students(database) == before
    assert database.import_files.count_documents({}) == 0
    assert admin.ask("POST", f"/imports/{found['id']}/resume").status_code == 409


def test_permission_lost_during_validation_stops_the_import(
    amy: Person, admin: Person, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    validate_all = row_validation.validate_all

    async def validate_then(*arguments: Any) -> Any:
        results = await validate_all(*arguments)
        await deactivate()
        return results

    monkeypatch.setattr(import_job, "validate_all", validate_then)
    before = stored_students(database)

    assert send(amy.client, FILE).status_code == 401
    assert stored_students(database) == before


def test_an_import_survives_the_expiry_of_the_token_after_the_upload(
    amy: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def expire() -> None:
        later = utc_now() + timedelta(hours=1)
        monkeypatch.setattr(identity, "utc_now", lambda: later)

    after_receiving(monkeypatch, expire)

    assert send(amy.client, FILE).status_code == 201


@pytest.mark.parametrize("end", [sign_out, deactivate, demote, delete])
def test_an_event_stream_ends_when_its_user_loses_permission(
    amy: Person, database: Database[JSON], monkeypatch: pytest.MonkeyPatch, end: Step
) -> None:
    monkeypatch.setattr(progress_events, "PAUSE_SECONDS", 0.02)
    read = record_reads(monkeypatch)
    assert send(amy.client, FILE).status_code == 201
    far = utc_now() + timedelta(days=1)
    database.imports.update_one({}, {"$set": {"state": "running", "alive_at": far}})
    (found,) = database.imports.find()
    assert amy.client.portal

    with ThreadPoolExecutor(1) as pool:
        headers = {"Accept": "text/event-stream"}
        stream = pool.submit(amy.client.get, f"/imports/{found['_id']}", headers=headers)
        try:
            until(lambda: len(read) > 2)
            amy.client.portal.call(end)
            answer = stream.result(timeout=20)
        finally:
            database.imports.update_one({}, {"$set": {"state": "done"}})

    assert (answer.status_code, answer.text.count("event: progress")) == (200, 1)
    assert 2 * progress_events.PAUSE_SECONDS <= 30


def record_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an entry at each read of an import."""
    found: list[str] = []
    get = service.get

    async def read(import_id: str) -> Any:
        found.append(import_id)
        return await get(import_id)

    monkeypatch.setattr(service, "get", read)
    return found


@pytest.mark.parametrize(("seconds", "complete"), [(0.0, False), (30.0, True)])
def test_a_slow_download_is_cut_off_when_its_user_loses_permission(
    amy: Person, monkeypatch: pytest.MonkeyPatch, seconds: float, complete: bool
) -> None:
    async def pieces(*_: object) -> AsyncIterator[bytes]:
        yield b"first"
        await sign_out()
        yield b"last"

    monkeypatch.setattr(streams, "VERIFY_SECONDS", seconds)
    monkeypatch.setattr(exports, "table_file", pieces)

    answer = amy.client.get("/exports/students")

    assert answer.content == (b"firstlast" if complete else b"first")
