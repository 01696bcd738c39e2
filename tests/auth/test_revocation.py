"""A revoked token is worth nothing, whatever else happens at the same moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.identity import Principal, Role
from core.settings import Settings
from modules.auth import service, tokens
from modules.auth.models import User
from modules.auth.token_cache import VerifiedTokens, verified_tokens
from tests.auth.interleaving import before, rotate_key
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
