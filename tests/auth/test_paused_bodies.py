"""Tests of permissions that are lost between the head of a request and the end of its body: nothing is written.

An ASGI client sends the head, and the account changes before the client sends the body.
`test_revocation_processes.py` tests the same over sockets.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from itertools import count
from typing import Annotated, Any, NamedTuple

import httpx2
import pytest
from beanie import Document
from fastapi import Form, Request, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel
from pymongo import MongoClient
from pymongo.database import Database

from core import identity
from core.clock import utc_now
from core.identity import Role, at_least, verify_caller
from core.module import Module
from core.registry import discover
from core.routing.router import ProtectedRouter
from core.settings import Settings
from modules.auth import account_store, admin_roster
from tests.auth.people import PASSWORD, Person, make, signed_in, stored
from tests.conftest import AppClient

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BOUNDARY = "b"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
NUMBERS = count()
STUDENT = b'{"roll_no": "S1", "name": "changed", "branch": "b", "marks": {"math": 1}}'
FILE = b"roll_no,name,branch,math\nS1,changed,b,1\nS2,new,b,2\n"
IN_FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n' + FILE + b"\r\n--b--\r\n"


class Note(Document):
    """A document that the routes of the example module write."""

    text: str

    class Settings:
        name = "notes"


class NoteCreate(BaseModel):
    text: str


def notes() -> Module:
    """Return an example module, with a route for every kind of body."""
    router = ProtectedRouter()
    writer = at_least(Role.TEACHER)

    @router.post("/notes/json", dependencies=[writer])
    async def add_json(data: NoteCreate) -> NoteCreate:
        await Note(text=data.text).insert()
        return data

    @router.put("/notes/direct", dependencies=[writer])
    async def add_direct(data: NoteCreate) -> Response:
        await Note(text=data.text).insert()
        return Response(status_code=204)

    @router.patch("/notes/form", dependencies=[writer])
    async def add_form(data: Annotated[NoteCreate, Form()]) -> NoteCreate:
        await Note(text=data.text).insert()
        return data

    @router.delete("/notes/body", dependencies=[writer], status_code=204)
    async def remove(data: NoteCreate) -> None:
        await Note(text=data.text).insert()

    @router.post("/notes/stream", dependencies=[writer])
    async def add_stream(request: Request) -> NoteCreate:
        text = (await request.body()).decode()
        await verify_caller(request)
        await Note(text=text).insert()
        return NoteCreate(text=text)

    return Module(name="notes", router=router, documents=(Note,))


class RequestSpec(NamedTuple):
    method: str
    path: str
    media_type: str
    body: bytes


CONFIRMED = b'{"current_password": "%s"}' % PASSWORD.encode()

REQUESTS = [
    RequestSpec("POST", "/students", JSON, STUDENT.replace(b"S1", b"S9")),
    RequestSpec("PUT", "/students/S1", JSON, STUDENT),
    RequestSpec("PATCH", "/students/S1", JSON, b'{"name": "changed"}'),
    RequestSpec("PUT", "/students/S1/marks/math", JSON, b'{"mark": 2}'),
    RequestSpec("POST", "/imports", "text/csv", FILE),
    RequestSpec("POST", "/imports?dry_run=true", MULTIPART, IN_FORM),
    RequestSpec("POST", "/imports/upload", MULTIPART, IN_FORM),
    RequestSpec("POST", "/imports?on_error=skip", "text/csv", FILE),
    RequestSpec("PATCH", "/me", JSON, CONFIRMED.replace(b"{", b'{"email": "other@example.com", ')),
    RequestSpec("POST", "/me/password", JSON, CONFIRMED.replace(b"{", b'{"new_password": "otter-lamp-44-violin", ')),
    RequestSpec("DELETE", "/me", JSON, CONFIRMED),
    RequestSpec("POST", "/notes/json", JSON, b'{"text": "x"}'),
    RequestSpec("PUT", "/notes/direct", JSON, b'{"text": "x"}'),
    RequestSpec("PATCH", "/notes/form", FORM, b"text=x"),
    RequestSpec("DELETE", "/notes/body", JSON, b'{"text": "x"}'),
    RequestSpec("POST", "/notes/stream", "text/plain", b"x"),
]

Step = Callable[[str], Awaitable[None]]
"""A change of the account with this name, made before the body arrives."""


async def nothing(name: str) -> None:
    pass


async def sign_out(name: str) -> None:
    assert await account_store.change(await stored(name), {"secret_key": "0" * 64})


async def deactivate(name: str) -> None:
    assert await account_store.change(await stored(name), {"secret_key": "0" * 64, "active": False})


async def demote(name: str) -> None:
    assert await account_store.change(await stored(name), {"secret_key": "0" * 64, "role": Role.VIEWER})


async def delete(name: str) -> None:
    assert await admin_roster.delete(await stored(name))


async def demote_in_the_database(name: str) -> None:
    assert await account_store.change(await stored(name), {"role": Role.VIEWER})


@pytest.fixture
def database(mongodb_url: str, settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_url) as mongo:
        yield mongo[settings.mongodb_database]


@pytest.fixture(params=[5, 0], ids=["cache", "no cache"])
def service(request: pytest.FixtureRequest, open_client: AppClient) -> TestClient:
    return open_client(modules=[*discover(), notes()], auth_cache_seconds=request.param)


def contents(database: Database[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return all stored documents, except in collections that a change of an account, or a job, writes to."""
    of_accounts = {"auth_events", "login_failures", "retired_usernames", "username_hash_key", "users"}
    excluded = of_accounts | {"leases", "student_figures"}
    names = sorted(set(database.list_collection_names()) - excluded)
    return {name: list(database[name].find().sort("_id")) for name in names}


def send(person: Person, request: RequestSpec, between: Step, **more: str) -> httpx2.Response:
    """Send the head and the first byte of the body, wait for `between`, then send the rest."""

    async def paused() -> AsyncIterator[bytes]:
        yield request.body[:1]
        await between(person.name)
        yield request.body[1:]

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=person.client.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
            headers = {"Authorization": f"Bearer {person.token}", "Content-Type": request.media_type, **more}
            return await client.request(request.method, request.path, content=paused(), headers=headers)

    assert person.client.portal
    return person.client.portal.call(ask)


def outcomes(
    service: TestClient, settings: Settings, requests: Iterable[RequestSpec], between: Step, role: Role = Role.TEACHER
) -> dict[str, int]:
    """Send each request as a new user, and return the status of each response."""
    found = {}
    for request in requests:
        person = make(service, settings, f"person{next(NUMBERS)}", role)
        found[f"{request.method} {request.path}"] = send(person, request, between).status_code
    return found


def add_student(service: TestClient, settings: Settings) -> None:
    teacher = make(service, settings, "teacher", Role.TEACHER)
    assert teacher.ask("POST", "/students", {"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201


def test_a_token_that_is_revoked_before_the_body_arrives_writes_nothing(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]]
) -> None:
    add_student(service, settings)
    before = contents(database)

    statuses = outcomes(service, settings, REQUESTS, sign_out)

    assert statuses == dict.fromkeys(statuses, 401)
    assert contents(database) == before
    changed = {"$or": [{"email": "other@example.com"}, {"key_version": {"$gt": 1}}]}
    assert database.users.count_documents(changed) == 0
    assert database.users.count_documents({}) == len(REQUESTS) + 1


@pytest.mark.parametrize("change", [deactivate, demote, delete])
def test_every_way_to_revoke_a_token_before_the_body_arrives_is_401(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]], change: Step
) -> None:
    before = contents(database)

    statuses = outcomes(service, settings, [REQUESTS[0], REQUESTS[4], REQUESTS[10]], change)

    assert statuses == dict.fromkeys(statuses, 401)
    assert contents(database) == before


def test_a_lost_role_is_403_even_if_the_token_stays_valid(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]]
) -> None:
    before = contents(database)
    writes = [one for one in REQUESTS if "/me" not in one.path and "S1" not in one.path]

    statuses = outcomes(service, settings, writes, demote_in_the_database)

    assert statuses == dict.fromkeys(statuses, 403)
    assert contents(database) == before


@pytest.mark.parametrize("change", [sign_out, demote])
def test_an_idempotency_key_is_neither_used_nor_repeated_if_the_rights_end_before_the_body_arrives(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]], change: Step
) -> None:
    person = make(service, settings, "teacher", Role.TEACHER)
    other = REQUESTS[0]._replace(body=STUDENT.replace(b"S1", b"S8"))
    assert send(person, REQUESTS[0], nothing, **{"Idempotency-Key": "done"}).status_code == 201
    before = contents(database)

    assert send(person, other, change, **{"Idempotency-Key": "new"}).status_code == 401
    assert contents(database) == before

    person = signed_in(service, "teacher")
    if change is sign_out:
        assert send(person, REQUESTS[0], nothing, **{"Idempotency-Key": "done"}).status_code == 201
    assert send(person, REQUESTS[0], change, **{"Idempotency-Key": "done"}).status_code in (401, 403)


def test_a_former_admin_cannot_manage_accounts(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]]
) -> None:
    make(service, settings, "root", Role.ADMIN)
    make(service, settings, "other", Role.TEACHER)
    before = database.users.find_one({"username": "other"})
    requests = [
        RequestSpec("PATCH", "/users/other", JSON, body) for body in (b'{"role": "admin"}', b'{"active": false}')
    ]

    for request, change in zip(requests, (deactivate, demote), strict=True):
        statuses = outcomes(service, settings, [request], change, Role.ADMIN)
        assert statuses == dict.fromkeys(statuses, 401)

    assert database.users.find_one({"username": "other"}) == before


def test_a_token_that_expires_before_the_body_arrives_writes_nothing(
    service: TestClient, settings: Settings, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(database)

    async def expire(_: str) -> None:
        later = utc_now() + timedelta(minutes=31)
        monkeypatch.setattr(identity, "utc_now", lambda: later)

    statuses = outcomes(service, settings, [REQUESTS[0]], expire)
    monkeypatch.undo()
    statuses |= outcomes(service, settings, [REQUESTS[4]], expire)

    assert statuses == dict.fromkeys(statuses, 401)
    assert contents(database) == before


def test_all_requests_succeed_if_nothing_changes(service: TestClient, settings: Settings) -> None:
    add_student(service, settings)

    statuses = outcomes(service, settings, REQUESTS, nothing)

    assert {name: status for name, status in statuses.items() if status >= 400} == {}
