"""Tests of the operations on a user's own account."""

from datetime import timedelta

import pytest
from jose import jwt
from pydantic import SecretStr

from core.clock import utc_now
from core.identity import Role
from core.security import sign_token
from core.settings import Settings, use_settings
from modules.auth import tokens
from tests.auth.people import PASSWORD, Person, make, signed_in, stored
from tests.conftest import AppClient

BETTER = "seventeen-purple-otters"
CONFIRMED = {"current_password": PASSWORD}


def test_every_user_can_read_their_own_account(viewer: Person) -> None:
    account = viewer.ask("GET", "/me").json()

    assert account.keys() == {"username", "email", "created_at", "role", "active"}
    assert (account["username"], account["role"], account["active"]) == ("viewer", "viewer", True)


def test_the_email_address_can_be_changed(teacher: Person) -> None:
    changed = teacher.ask("PATCH", "/me", CONFIRMED | {"email": "New@Example.com"})

    assert changed.status_code == 200
    assert teacher.ask("GET", "/me").json()["email"] == "New@example.com"


def test_a_taken_email_address_is_refused_regardless_of_case(teacher: Person, viewer: Person) -> None:
    refused = teacher.ask("PATCH", "/me", CONFIRMED | {"email": "VIEWER@example.com"})

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (409, "#/email")
    assert teacher.ask("GET", "/me").json()["email"] == "teacher@example.com"


@pytest.mark.parametrize("body", [{"role": "admin"}, {"active": True}, {"secret_key": "x"}, {"email": None}, {}])
def test_other_fields_cannot_be_changed(teacher: Person, body: dict[str, object]) -> None:
    assert teacher.ask("PATCH", "/me", CONFIRMED | body).status_code == 422
    assert teacher.ask("GET", "/me").json()["role"] == "teacher"


def test_a_password_change_revokes_all_tokens_and_returns_a_new_one(teacher: Person) -> None:
    other_device = signed_in(teacher.client, "teacher")

    changed = teacher.ask("POST", "/me/password", {"current_password": PASSWORD, "new_password": BETTER})

    assert changed.status_code == 200
    assert changed.headers["cache-control"] == "no-store"
    assert not teacher.is_signed_in()
    assert not other_device.is_signed_in()
    assert Person(teacher.client, "teacher", changed.json()["access_token"]).is_signed_in()
    assert signed_in(teacher.client, "teacher", BETTER).is_signed_in()
    old = teacher.client.post("/login", data={"username": "teacher", "password": PASSWORD})
    assert old.status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"current_password": "wrong-password", "new_password": BETTER}, "#/current_password"),
        ({"current_password": "\0" * 100, "new_password": BETTER}, "#/current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "password1"}, "#/new_password"),
        ({"current_password": PASSWORD, "new_password": "teacher@example.com"}, "#/new_password"),
        ({"current_password": PASSWORD}, "#/new_password"),
    ],
)
def test_an_invalid_password_is_named_in_the_error_and_changes_nothing(
    teacher: Person, body: dict[str, str], pointer: str
) -> None:
    refused = teacher.ask("POST", "/me/password", body)

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert teacher.is_signed_in()
    assert signed_in(teacher.client, "teacher").is_signed_in()


def test_guesses_of_the_current_password_are_limited(teacher: Person) -> None:
    body = {"current_password": "wrong-password", "new_password": BETTER}

    statuses = [teacher.ask("POST", "/me/password", body).status_code for _ in range(6)]

    assert statuses == [422] * 5 + [429]


def test_a_valid_token_can_be_renewed(teacher: Person) -> None:
    before = jwt.get_unverified_claims(teacher.token)

    answer = teacher.ask("POST", "/renew")

    after = jwt.get_unverified_claims(answer.json()["access_token"])
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert after["jti"] != before["jti"]
    assert after["auth_time"] == before["auth_time"]
    assert Person(teacher.client, "teacher", answer.json()["access_token"]).is_signed_in()


@pytest.mark.parametrize(("ago", "status", "lifetime"), [(11.9, 200, 360), (12.0, 401, None), (500, 401, None)])
def test_a_session_ends_12_hours_after_the_password_was_given(
    teacher: Person, ago: float, status: int, lifetime: int | None
) -> None:
    assert teacher.client.portal
    user = teacher.client.portal.call(stored, "teacher")
    claims = {"sub": "teacher", "auth_time": int((utc_now() - timedelta(hours=ago)).timestamp())}
    late = Person(teacher.client, "teacher", sign_token(claims, user.secret_key, timedelta(minutes=1)))

    answer = late.ask("POST", "/renew")

    assert answer.status_code == status
    if lifetime:
        assert lifetime - 5 <= answer.json()["expires_in"] <= lifetime


def test_signing_out_everywhere_revokes_only_the_tokens_of_this_user(teacher: Person, viewer: Person) -> None:
    other_device = signed_in(teacher.client, "teacher")

    assert teacher.ask("POST", "/logout-all").status_code == 204

    assert not teacher.is_signed_in()
    assert not other_device.is_signed_in()
    assert viewer.is_signed_in()
    assert signed_in(teacher.client, "teacher").is_signed_in()


def test_users_can_delete_their_own_account(teacher: Person) -> None:
    assert teacher.ask("DELETE", "/me", CONFIRMED).status_code == 204

    assert not teacher.is_signed_in()
    assert teacher.client.post("/login", data={"username": "teacher", "password": PASSWORD}).status_code == 401


def test_with_a_pepper_the_stored_key_alone_signs_no_valid_token(open_client: AppClient, settings: Settings) -> None:
    client = open_client(token_pepper=SecretStr("pepper"))
    person = make(client, settings, "teacher", Role.TEACHER)
    assert client.portal
    user = client.portal.call(stored, "teacher")

    forged = Person(client, "teacher", sign_token({"sub": "teacher"}, user.secret_key, timedelta(minutes=1)))

    assert person.is_signed_in()
    assert not forged.is_signed_in()


def test_a_changed_pepper_signs_everyone_out_and_allows_new_sign_ins(
    open_client: AppClient, settings: Settings
) -> None:
    old = make(open_client(token_pepper=SecretStr("pepper")), settings, "teacher", Role.TEACHER)
    assert old.is_signed_in()
    restarted = open_client(token_pepper=SecretStr("another pepper"))

    assert not Person(restarted, "teacher", old.token).is_signed_in()
    assert signed_in(restarted, "teacher").is_signed_in()


def test_with_an_issuer_only_its_tokens_are_valid(open_client: AppClient, settings: Settings) -> None:
    client = open_client(issuer="https://school.example")
    person = make(client, settings, "teacher", Role.TEACHER)
    assert client.portal
    user = client.portal.call(stored, "teacher")

    def signs_in(**claims: str) -> bool:
        token = sign_token({"sub": "teacher", **claims}, user.secret_key, timedelta(minutes=1))
        return Person(client, "teacher", token).is_signed_in()

    assert jwt.get_unverified_claims(person.token)["iss"] == "https://school.example"
    assert person.is_signed_in()
    assert signs_in(iss="https://school.example")
    assert not signs_in(iss="https://other.example")
    assert not signs_in()


def test_sign_in_replaces_a_hash_of_a_lower_cost(open_client: AppClient, settings: Settings) -> None:
    client = open_client(bcrypt_cost=5)
    make(client, settings, "teacher", Role.TEACHER)  # hashes at a cost of 4, then signs in once
    assert client.portal

    assert client.portal.call(stored, "teacher").password.startswith("$2b$05$")
    assert signed_in(client, "teacher").is_signed_in()


@pytest.mark.parametrize(
    ("password", "score", "status"),
    [
        ("password1", 1, 422),
        ("new@example.com", 1, 422),
        ("newcomer", 1, 422),
        ("secure123", 1, 201),
        ("secure123", 2, 422),
        ("password1", 0, 201),
        (BETTER, 4, 201),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(
    open_client: AppClient, password: str, score: int, status: int
) -> None:
    client = open_client(password_min_score=score)

    answer = client.post("/register", json={"username": "newcomer", "email": "new@example.com", "password": password})

    assert answer.status_code == status
    if status == 422:
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "#/password"
        assert error["detail"].startswith("This password is too easy to guess.")


def test_without_a_pepper_the_signing_key_is_the_stored_key(settings: Settings) -> None:
    token = use_settings(settings)
    try:
        assert tokens.signing_key("k") == "k"
    finally:
        token.var.reset(token)
