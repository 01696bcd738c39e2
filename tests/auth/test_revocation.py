"""Tests of revoked tokens, which are refused regardless of concurrent requests."""

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

# The operations on one's own account, with valid bodies.
OWN_ACCOUNT: list[tuple[str, str, Any]] = [
    ("GET", "/me", None),
    ("PATCH", "/me", CONFIRMED | {"email": "other@example.com"}),
    ("DELETE", "/me", CONFIRMED),
    ("POST", "/me/password", PASSWORD_CHANGE),
    ("POST", "/renew", None),
    ("POST", "/logout-all", None),
]

REVOCATIONS: dict[str, tuple[str, str, Any]] = {
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


def valid_tokens(client: TestClient, candidates: list[str]) -> list[str]:
    return [token for token in candidates if Person(client, "amy", token).is_signed_in()]


@pytest.mark.parametrize(
    ("method", "path", "body"), OWN_ACCOUNT, ids=[f"{method} {path}" for method, path, _ in OWN_ACCOUNT]
)
def test_a_request_is_refused_if_the_key_changes_after_the_token_was_verified(
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

    def record(*arguments: Any) -> Any:
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
    monkeypatch.setattr(tokens, "issue", record)
    answer = amy.ask("POST", path, PASSWORD_CHANGE if path == "/me/password" else None)
    monkeypatch.undo()

    assert answer.status_code == (200 if path == "/renew" else 401)
    assert valid_tokens(amy.client, [amy.token, *issued]) == []


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_renewals_during_a_revocation_leave_no_valid_token(amy: Person, revocation: str) -> None:
    def renew(_: int) -> Any:
        answer = amy.ask("POST", "/renew")
        assert answer.status_code in (200, 401)
        return answer.json()["access_token"] if answer.status_code == 200 else None

    with ThreadPoolExecutor(8) as pool:
        renewals = [pool.submit(renew, number) for number in range(10)]
        revoking = pool.submit(amy.ask, *REVOCATIONS[revocation])
        renewals += [pool.submit(renew, number) for number in range(10)]
    assert revoking.result().is_success

    renewed = [token for renewal in renewals if (token := renewal.result())]
    assert valid_tokens(amy.client, [amy.token, *renewed]) == []


def test_a_stale_cache_authorizes_no_writes_and_no_account_operations(
    client: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate a process that is not notified of changes, as on a standalone server."""
    admin = make(client, settings, "principal", Role.ADMIN)
    make(client, settings, "second", Role.ADMIN)
    assert admin.ask("GET", "/students").status_code == 200  # cached now
    monkeypatch.setattr(VerifiedTokens, "evict", lambda *_: None)
    monkeypatch.setattr(VerifiedTokens, "clear", lambda *_: None)
    monkeypatch.setattr(verified_tokens, "watched", False, raising=False)
    assert client.portal
    client.portal.call(rotate_key, client.portal.call(stored, "principal"))

    student = {"roll_no": "S1", "name": "n", "branch": "b"}
    requests = [
        *OWN_ACCOUNT,
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


def test_a_token_of_a_deleted_account_is_invalid_for_a_later_one_of_that_name(
    client: TestClient, settings: Settings, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older releases let deleted names be registered again."""
    old = make(client, settings, "teacher", Role.TEACHER)
    assert old.ask("GET", "/students").status_code == 200  # cached now
    monkeypatch.setattr(VerifiedTokens, "evict", lambda *_: None)
    database.users.delete_one({"username": "teacher"})
    new = make(client, settings, "teacher", Role.TEACHER)

    statuses = {(method, path): old.ask(method, path, body).status_code for method, path, body in OWN_ACCOUNT}

    assert statuses == dict.fromkeys(statuses, 401)
    assert new.is_signed_in()
