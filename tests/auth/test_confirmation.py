"""Tests of operations that need the current password or a one-time code, and of the revocation of codes."""

from typing import Any

import pytest

from core.clock import utc_now
from modules.auth import account_store, service
from tests.auth.interleaving import before, rotate_key
from tests.auth.people import PASSWORD, Person, signed_in, stored

BETTER = "seventeen-purple-otters"
CONFIRMED = {"current_password": PASSWORD}
PASSWORD_CHANGE = CONFIRMED | {"new_password": BETTER}

REVOCATIONS: dict[str, tuple[str, str, str, Any]] = {
    "sign-out": ("teacher", "POST", "/logout-all", None),
    "password": ("teacher", "POST", "/me/password", PASSWORD_CHANGE),
    "role": ("admin", "PATCH", "/users/teacher", {"role": "viewer"}),
    "deactivation": ("admin", "PATCH", "/users/teacher", {"active": False}),
}


@pytest.mark.parametrize("revocation", REVOCATIONS)
def test_a_reset_code_is_revoked_with_the_key(admin: Person, teacher: Person, revocation: str) -> None:
    code = admin.ask("POST", "/users/teacher/password-reset").json()["code"]
    who, method, path, body = REVOCATIONS[revocation]
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
        assert await account_store.change(await stored("teacher"), changes)

    monkeypatch.setattr(service, "set_password", before(service.set_password, replace))
    used = teacher.client.post("/password-reset", json={"code": code, "new_password": BETTER})

    assert (used.status_code, used.json()["errors"][0]["pointer"]) == (422, "#/code")
    assert teacher.is_signed_in()
    assert signed_in(teacher.client, "teacher").is_signed_in()


def test_no_code_is_issued_if_the_key_changes_meanwhile(
    admin: Person, teacher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sign_out() -> None:
        await rotate_key(await stored("teacher"))

    monkeypatch.setattr(account_store, "change", before(account_store.change, sign_out))
    answer = admin.ask("POST", "/users/teacher/password-reset")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/account-changed")


NEED_PASSWORD: list[tuple[str, dict[str, str]]] = [("PATCH", {"email": "other@example.com"}), ("DELETE", {})]


@pytest.mark.parametrize(("method", "body"), NEED_PASSWORD)
def test_an_email_change_and_a_deletion_need_the_password(teacher: Person, method: str, body: dict[str, str]) -> None:
    assert teacher.ask(method, "/me").status_code == 422
    missing = teacher.ask(method, "/me", body)
    wrong = [teacher.ask(method, "/me", body | {"current_password": "wrong-password"}) for _ in range(6)]
    blocked = teacher.ask(method, "/me", body | CONFIRMED)

    assert [error["pointer"] for error in missing.json()["errors"]] == ["#/current_password"]
    assert [answer.status_code for answer in wrong] == [422] * 5 + [429]
    assert [error["pointer"] for error in wrong[0].json()["errors"]] == ["#/current_password"]
    assert blocked.status_code == 429
    assert teacher.ask("GET", "/me").json()["email"] == "teacher@example.com"


def test_a_wrong_password_is_recorded_with_the_attempted_operation(admin: Person, teacher: Person) -> None:
    for method, body in NEED_PASSWORD:
        teacher.ask(method, "/me", body | {"current_password": "wrong-password"})

    events = admin.ask("GET", "/auth-events?event=password_change_failed").json()

    assert [event["detail"] for event in events] == ["deleting the account", "changing the e-mail address"]
