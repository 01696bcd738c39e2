"""A revoked token is worth nothing, whatever else happens at the same moment, and a name never names two people."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.clock import utc_now
from core.identity import Principal, Role
from core.settings import Settings
from modules.auth import admins, service, tokens, usernames
from modules.auth.models import User
from modules.auth.verified import VerifiedTokens, verified_tokens
from tests.auth.people import PASSWORD, Person, make, signed_in, stored
from tests.conftest import AppClient

BETTER = "seventeen-purple-otters"
CONFIRMED = {"current_password": PASSWORD}
PASSWORD_CHANGE = CONFIRMED | {"new_password": BETTER}

# What a token of one's own account is good for; the bodies are complete.
OWN: list[tuple[str, str, Any]] = [
    ("GET", "/me", None),
    ("PATCH", "/me", CONFIRMED | {"email": "other@example.com"}),
    ("DELETE", "/me", CONFIRMED),
    ("POST", "/me/password", PASSWORD_CHANGE),
    ("POST", "/renew", None),
    ("POST", "/logout-all", None),
]

ENDINGS: dict[str, tuple[str, str, Any]] = {
    "sign-out": ("POST", "/logout-all", None),
    "password": ("POST", "/me/password", PASSWORD_CHANGE),
}


@pytest.fixture
def database(mongodb_url: str, settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_url) as mongo:
        yield mongo[settings.mongodb_database]


@pytest.fixture(params=[5, 0], ids=["cache", "no cache"])
def amy(request: pytest.FixtureRequest, open_client: AppClient, settings: Settings) -> Person:
    return make(open_client(auth_cache_seconds=request.param), settings, "amy", Role.TEACHER)


def living(client: TestClient, candidates: list[str]) -> list[str]:
    return [token for token in candidates if Person(client, "amy", token).is_signed_in()]


async def rotate_key(user: User) -> None:
    await user.change({"secret_key": "0" * 64})


def before(function: Callable[..., Awaitable[Any]], step: Callable[[], Awaitable[None]]) -> Callable[..., Any]:
    """The function, with a step of somebody else just before its first call."""
    steps = [step]

    async def interleaved(*arguments: Any, **options: Any) -> Any:
        if steps:
            await steps.pop()()
        return await function(*arguments, **options)

    return interleaved


@pytest.mark.parametrize(("method", "path", "body"), OWN, ids=[f"{method} {path}" for method, path, _ in OWN])
def test_a_key_that_changes_after_the_token_was_verified_ends_the_request(
    amy: Person, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    assert amy.is_signed_in()

    async def sign_out() -> None:
        await rotate_key(await stored("amy"))

    monkeypatch.setattr(service, "account_of", before(service.account_of, sign_out))
    answer = amy.ask(method, path, body)

    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
    assert amy.client.portal
    user = amy.client.portal.call(stored, "amy")
    assert (user.email, user.key_version, user.secret_key) == ("amy@example.com", 1, "0" * 64)
    assert signed_in(amy.client, "amy").is_signed_in()


@pytest.mark.parametrize("path", ["/renew", "/me/password"])
def test_a_key_that_changes_just_before_a_token_is_signed_revokes_that_token(
    amy: Person, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    issued: list[str] = []
    issue = tokens.issue

    def remember(*arguments: Any) -> Any:
        assert amy.client.portal
        token = issue(*arguments)
        issued.append(token.access_token)
        return token

    async def account_then_sign_out(principal: Principal) -> User:
        user = await account_of(principal)
        await rotate_key(user)
        return user

    account_of = service.account_of
    monkeypatch.setattr(service, "account_of", account_then_sign_out)
    monkeypatch.setattr(tokens, "issue", remember)
    answer = amy.ask("POST", path, PASSWORD_CHANGE if path == "/me/password" else None)
    monkeypatch.undo()

    assert answer.status_code == (200 if path == "/renew" else 401)
    assert living(amy.client, [amy.token, *issued]) == []


@pytest.mark.parametrize("end", ENDINGS)
def test_twenty_renewals_beside_a_revocation_leave_no_living_token(amy: Person, end: str) -> None:
    def renew(_: int) -> Any:
        answer = amy.ask("POST", "/renew")
        assert answer.status_code in (200, 401)
        return answer.json()["access_token"] if answer.status_code == 200 else None

    with ThreadPoolExecutor(8) as pool:
        renewals = [pool.submit(renew, number) for number in range(10)]
        ending = pool.submit(amy.ask, *ENDINGS[end])
        renewals += [pool.submit(renew, number) for number in range(10)]
    assert ending.result().is_success

    renewed = [token for renewal in renewals if (token := renewal.result())]
    assert living(amy.client, [amy.token, *renewed]) == []


def test_a_stale_cache_signs_nothing_writes_nothing_and_manages_nobody(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process that learns of no change still believes, as on a standalone server."""
    admin = make(client, settings, "principal", Role.ADMIN)
    make(client, settings, "second", Role.ADMIN)
    assert admin.ask("GET", "/students").status_code == 200  # cached now
    monkeypatch.setattr(VerifiedTokens, "forget", lambda *_: None)
    monkeypatch.setattr(VerifiedTokens, "forget_all", lambda *_: None)
    monkeypatch.setattr(verified_tokens, "watched", False, raising=False)
    assert client.portal
    client.portal.call(rotate_key, client.portal.call(stored, "principal"))

    student = {"roll_no": "S1", "name": "n", "branch": "b"}
    requests = [
        *OWN,
        ("GET", "/users", None),
        ("GET", "/users/second", None),
        ("PATCH", "/users/second", {"role": "viewer"}),
        ("POST", "/users/second/password-reset", None),
        ("DELETE", "/users/second", None),
        ("GET", "/auth-events", None),
        ("POST", "/students", student),
        ("PUT", "/students/S1", student),
        ("DELETE", "/students/S1", None),
    ]
    statuses = {(method, path): admin.ask(method, path, body).status_code for method, path, body in requests}

    assert statuses == dict.fromkeys(statuses, 401)
    assert client.portal.call(stored, "second").role is Role.ADMIN


def test_a_token_of_a_deleted_account_never_reaches_a_later_one_of_that_name(
    client: TestClient, settings: Settings, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that were freed by an older release may have been given again."""
    old = make(client, settings, "teacher", Role.TEACHER)
    assert old.ask("GET", "/students").status_code == 200  # cached now
    monkeypatch.setattr(VerifiedTokens, "forget", lambda *_: None)
    database.users.delete_one({"username": "teacher"})
    new = make(client, settings, "teacher", Role.TEACHER)

    statuses = {(method, path): old.ask(method, path, body).status_code for method, path, body in OWN}

    assert statuses == dict.fromkeys(statuses, 401)
    assert new.is_signed_in()


def registration(name: str) -> dict[str, str]:
    return {"username": name, "email": "newcomer@example.com", "password": PASSWORD}


@pytest.mark.parametrize("by", ["admin", "owner"])
def test_the_name_of_a_deleted_account_is_taken_for_ever(
    client: TestClient, admin: Person, database: Database[dict[str, Any]], by: str
) -> None:
    client.post("/register", json=registration("Wilma") | {"email": "wilma@example.com"})
    wilma = signed_in(client, "Wilma")
    while_alive = client.post("/register", json=registration("wilma"))
    gone = admin.ask("DELETE", "/users/wilma") if by == "admin" else wilma.ask("DELETE", "/me", CONFIRMED)
    assert gone.status_code == 204

    for name in ("Wilma", "WILMA"):
        refused = client.post("/register", json=registration(name))
        same = {name: value for name, value in refused.json().items() if name != "request_id"}
        assert same == {name: value for name, value in while_alive.json().items() if name != "request_id"}
        assert (refused.status_code, same["type"]) == (409, "/problems/username-taken")
    assert not wilma.is_signed_in()
    assert wilma.ask("POST", "/renew").status_code == 401
    # The address is free again, and of the name there is only a hash.
    other = registration("Betty") | {"email": "wilma@example.com"}
    assert client.post("/register", json=other).status_code == 201
    (retired,) = database.retired_usernames.find()
    assert "wilma" not in str(retired).lower()


def test_a_name_that_an_older_release_deleted_is_taken_as_well(
    admin: Person, teacher: Person, database: Database[dict[str, Any]]
) -> None:
    assert admin.ask("DELETE", "/users/teacher").status_code == 204
    database.retired_usernames.delete_many({})

    assert teacher.client.post("/register", json=registration("Teacher")).status_code == 409


def test_another_pepper_frees_no_name(open_client: AppClient, settings: Settings) -> None:
    teacher = make(open_client(), settings, "teacher", Role.TEACHER)
    assert teacher.ask("DELETE", "/me", CONFIRMED).status_code == 204

    peppered = open_client(token_pepper="p" * 32)

    assert peppered.post("/register", json=registration("teacher")).status_code == 409


def test_a_deletion_that_is_cut_short_can_be_repeated(admin: Person, teacher: Person) -> None:
    assert teacher.client.portal
    teacher.client.portal.call(usernames.retire, "teacher")

    assert teacher.is_signed_in()
    assert admin.ask("DELETE", "/users/teacher").status_code == 204
    assert teacher.client.post("/register", json=registration("teacher")).status_code == 409


def test_a_registration_beside_the_deletion_does_not_get_the_name(
    client: TestClient, teacher: Person, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def delete() -> None:
        assert await admins.delete(await stored("teacher"))

    monkeypatch.setattr(User, "insert", before(User.insert, delete))

    refused = client.post("/register", json=registration("teacher"))

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/username-taken")
    assert database.users.count_documents({"username_key": "teacher"}) == 0


def test_twenty_processes_make_one_key_for_the_hashes_of_names(client: TestClient) -> None:
    async def retire() -> set[bool]:
        await asyncio.gather(*(usernames.retire(f"name-{number}") for number in range(20)))
        return set(await asyncio.gather(*(usernames.is_retired(f"name-{number}") for number in range(20))))

    assert client.portal
    assert client.portal.call(retire) == {True}


CODE_ENDS: dict[str, tuple[str, str, str, Any]] = {
    "sign-out": ("teacher", "POST", "/logout-all", None),
    "password": ("teacher", "POST", "/me/password", PASSWORD_CHANGE),
    "role": ("admin", "PATCH", "/users/teacher", {"role": "viewer"}),
    "deactivation": ("admin", "PATCH", "/users/teacher", {"active": False}),
}


@pytest.mark.parametrize("end", CODE_ENDS)
def test_a_reset_code_dies_with_the_key(admin: Person, teacher: Person, end: str) -> None:
    code = admin.ask("POST", "/users/teacher/password-reset").json()["code"]
    who, method, path, body = CODE_ENDS[end]
    assert {"admin": admin, "teacher": teacher}[who].ask(method, path, body).is_success

    used = teacher.client.post("/password-reset", json={"code": code, "new_password": "otter-lamp-44-violin"})

    assert (used.status_code, used.json()["errors"][0]["pointer"]) == (422, "#/code")
    assert teacher.client.portal
    user = teacher.client.portal.call(stored, "teacher")
    assert (user.reset_hash, user.reset_expires_at) == (None, None)


def test_a_code_that_is_replaced_while_it_is_used_sets_no_password(
    admin: Person, teacher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = admin.ask("POST", "/users/teacher/password-reset").json()["code"]

    async def replace() -> None:
        changes = {"reset_hash": "another", "reset_expires_at": utc_now()}
        assert await (await stored("teacher")).change(changes)

    monkeypatch.setattr(service, "set_password", before(service.set_password, replace))
    used = teacher.client.post("/password-reset", json={"code": code, "new_password": BETTER})

    assert (used.status_code, used.json()["errors"][0]["pointer"]) == (422, "#/code")
    assert teacher.is_signed_in()
    assert signed_in(teacher.client, "teacher").is_signed_in()


def test_a_code_is_not_made_for_a_key_that_has_gone(
    admin: Person, teacher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sign_out() -> None:
        await rotate_key(await stored("teacher"))

    monkeypatch.setattr(User, "change", before(User.change, sign_out))
    answer = admin.ask("POST", "/users/teacher/password-reset")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/account-changed")


CONFIRM: list[tuple[str, dict[str, str]]] = [("PATCH", {"email": "other@example.com"}), ("DELETE", {})]


@pytest.mark.parametrize(("method", "body"), CONFIRM)
def test_what_cannot_be_undone_needs_the_password(teacher: Person, method: str, body: dict[str, str]) -> None:
    assert teacher.ask(method, "/me").status_code == 422
    missing = teacher.ask(method, "/me", body)
    wrong = [teacher.ask(method, "/me", body | {"current_password": "wrong-password"}) for _ in range(6)]
    blocked = teacher.ask(method, "/me", body | CONFIRMED)

    assert [error["pointer"] for error in missing.json()["errors"]] == ["#/current_password"]
    assert [answer.status_code for answer in wrong] == [422] * 5 + [429]
    assert [error["pointer"] for error in wrong[0].json()["errors"]] == ["#/current_password"]
    assert blocked.status_code == 429
    assert teacher.ask("GET", "/me").json()["email"] == "teacher@example.com"


def test_a_wrong_password_is_recorded_with_what_it_was_given_for(admin: Person, teacher: Person) -> None:
    for method, body in CONFIRM:
        teacher.ask(method, "/me", body | {"current_password": "wrong-password"})

    events = admin.ask("GET", "/auth-events?event=password_change_failed").json()

    assert [event["detail"] for event in events] == ["deleting the account", "changing the e-mail address"]
