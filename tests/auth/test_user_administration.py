"""Tests of the operations of admins on other accounts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from core.clock import utc_now
from core.identity import Role
from core.settings import Settings
from modules.auth import account_store
from modules.auth.models import AdminRoster, User
from tests.auth.people import PASSWORD, Person, make, signed_in, stored

BETTER = "seventeen-purple-otters"
CONFIRMED = {"current_password": PASSWORD}


def test_accounts_are_listed_by_name_in_pages(admin: Person, teacher: Person, viewer: Person) -> None:
    first = admin.ask("GET", "/users?limit=2")
    second = admin.ask("GET", first.links["next"]["url"])

    assert [user["username"] for user in first.json()] == ["principal", "teacher"]
    assert [user["username"] for user in second.json()] == ["viewer"]
    assert "next" not in second.links
    assert first.json()[0].keys() == {"username", "email", "created_at", "role", "active"}


def test_an_account_is_found_by_its_name_regardless_of_case(admin: Person, teacher: Person) -> None:
    assert admin.ask("GET", "/users/TEACHER").json()["username"] == "teacher"
    assert admin.ask("GET", "/users/nobody").status_code == 404
    assert admin.ask("GET", "/users/no%20body").status_code == 422


def test_a_role_change_revokes_tokens_and_takes_effect_at_once(admin: Person, teacher: Person) -> None:
    changed = admin.ask("PATCH", "/users/teacher", {"role": "viewer"})

    assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
    assert not teacher.is_signed_in()
    again = signed_in(teacher.client, "teacher")
    assert again.ask("POST", "/students", {"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 403


def test_a_request_that_changes_nothing_revokes_no_tokens(admin: Person, teacher: Person) -> None:
    for body in ({}, {"role": "teacher"}, {"active": True}):
        assert admin.ask("PATCH", "/users/teacher", body).status_code == 200
    assert teacher.is_signed_in()


@pytest.mark.parametrize("body", [{"role": "owner"}, {"active": "perhaps"}, {"email": "x@example.com"}, {"_id": 1}])
def test_an_invalid_change_is_refused(admin: Person, teacher: Person, body: dict[str, object]) -> None:
    assert admin.ask("PATCH", "/users/teacher", body).status_code == 422
    assert teacher.is_signed_in()


def test_a_deactivated_account_cannot_sign_in_until_it_is_activated_again(admin: Person, teacher: Person) -> None:
    assert admin.ask("PATCH", "/users/teacher", {"active": False}).json()["active"] is False

    assert not teacher.is_signed_in()
    wrong = teacher.client.post(
        "/login", data={"username": "teacher", "password": "wrong"}, headers={"X-Request-ID": "x"}
    )
    right = teacher.client.post(
        "/login", data={"username": "teacher", "password": PASSWORD}, headers={"X-Request-ID": "x"}
    )
    assert (right.status_code, right.content) == (401, wrong.content)
    admin.ask("PATCH", "/users/teacher", {"active": True})
    assert signed_in(teacher.client, "teacher").is_signed_in()


def test_a_deleted_account_is_gone(admin: Person, teacher: Person) -> None:
    assert admin.ask("DELETE", "/users/teacher").status_code == 204

    assert not teacher.is_signed_in()
    assert admin.ask("GET", "/users/teacher").status_code == 404
    assert admin.ask("DELETE", "/users/teacher").status_code == 404


def test_a_one_time_code_sets_a_new_password_once(admin: Person, teacher: Person) -> None:
    made = admin.ask("POST", "/users/teacher/password-reset")
    assert made.headers["cache-control"] == "no-store"
    body = {"code": made.json()["code"], "new_password": BETTER}

    first = teacher.client.post("/password-reset", json=body)
    second = teacher.client.post("/password-reset", json=body | {"new_password": PASSWORD})

    assert (first.status_code, second.status_code) == (204, 422)
    assert second.json()["errors"][0]["pointer"] == "#/code"
    assert not teacher.is_signed_in()
    assert signed_in(teacher.client, "teacher", BETTER).is_signed_in()


def test_one_of_several_concurrent_uses_of_a_code_succeeds(admin: Person, teacher: Person) -> None:
    code = admin.ask("POST", "/users/teacher/password-reset").json()["code"]

    def use(number: int) -> int:
        body = {"code": code, "new_password": f"{BETTER}-{number}"}
        return teacher.client.post("/password-reset", json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(use, range(8)))
    assert sorted(statuses) == [204] + [422] * 7


def test_a_code_stays_valid_after_a_weak_password_until_it_expires(admin: Person, teacher: Person) -> None:
    code = admin.ask("POST", "/users/teacher/password-reset").json()["code"]
    weak = teacher.client.post("/password-reset", json={"code": code, "new_password": "password1"})
    assert weak.json()["errors"][0]["pointer"] == "#/new_password"

    async def expire() -> None:
        past = utc_now() - timedelta(seconds=1)
        await User.find_one(User.username == "teacher").update({"$set": {"reset_expires_at": past}})

    assert teacher.client.portal
    teacher.client.portal.call(expire)
    late = teacher.client.post("/password-reset", json={"code": code, "new_password": BETTER})
    assert (late.status_code, late.json()["errors"][0]["pointer"]) == (422, "#/code")
    assert teacher.is_signed_in()


def test_a_code_is_stored_as_a_hash_and_replaced_by_a_newer_one(admin: Person, teacher: Person) -> None:
    first = admin.ask("POST", "/users/teacher/password-reset").json()["code"]
    second = admin.ask("POST", "/users/teacher/password-reset").json()["code"]

    assert teacher.client.portal
    user = teacher.client.portal.call(stored, "teacher")
    assert user.reset_hash
    assert user.reset_hash not in (first, second)
    use_first = teacher.client.post("/password-reset", json={"code": first, "new_password": BETTER})
    assert use_first.status_code == 422
    assert teacher.client.post("/password-reset", json={"code": second, "new_password": BETTER}).status_code == 204
    assert teacher.client.portal.call(stored, "teacher").reset_hash is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/me", CONFIRMED),
        ("DELETE", "/users/principal", None),
        ("PATCH", "/users/principal", {"role": "teacher"}),
        ("PATCH", "/users/principal", {"active": False}),
    ],
)
def test_the_last_admin_cannot_be_removed(admin: Person, method: str, path: str, body: object) -> None:
    refused = admin.ask(method, path, body)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/last-admin")
    assert admin.ask("GET", "/me").json() | {"created_at": ""} == {
        "username": "principal",
        "email": "principal@example.com",
        "created_at": "",
        "role": "admin",
        "active": True,
    }


def test_an_inactive_admin_does_not_count_as_an_admin(admin: Person, client: TestClient, settings: Settings) -> None:
    make(client, settings, "second", Role.ADMIN)
    assert admin.ask("PATCH", "/users/second", {"active": False}).status_code == 200

    assert admin.ask("DELETE", "/me", CONFIRMED).status_code == 409
    admin.ask("PATCH", "/users/second", {"active": True})
    assert admin.ask("DELETE", "/me", CONFIRMED).status_code == 204


def test_a_promoted_user_counts_as_an_admin(admin: Person, teacher: Person) -> None:
    assert admin.ask("PATCH", "/users/teacher", {"role": "admin"}).status_code == 200

    assert admin.ask("PATCH", "/users/principal", {"role": "viewer"}).status_code == 200
    successor = signed_in(teacher.client, "teacher")
    assert successor.ask("DELETE", "/me", CONFIRMED).status_code == 409


@pytest.mark.parametrize("round_", range(8))
def test_admins_who_remove_each_other_concurrently_leave_at_least_one(
    client: TestClient, settings: Settings, round_: int
) -> None:
    people = [make(client, settings, name, Role.ADMIN) for name in ("first", "second", "third")]

    def remove_next(index: int) -> int:
        other = people[(index + 1) % 3].name
        if round_ % 2:
            return people[index].ask("DELETE", f"/users/{other}").status_code
        return people[index].ask("PATCH", f"/users/{other}", {"role": "teacher"}).status_code

    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(remove_next, range(3)))

    async def admins_left() -> int:
        return await User.find({"role": "admin", "active": True}).count()

    assert client.portal
    assert client.portal.call(admins_left) >= 1, statuses


def test_a_user_on_the_roster_without_the_role_does_not_count_as_an_admin(admin: Person, teacher: Person) -> None:
    """A crash between two steps could leave this state."""

    async def add_teacher_to_roster() -> None:
        user = await stored("teacher")
        await AdminRoster.find_one({"_id": "admins"}).update({"$addToSet": {"members": user.id}})

    assert admin.client.portal
    admin.client.portal.call(add_teacher_to_roster)

    assert admin.ask("DELETE", "/me", CONFIRMED).status_code == 409


def test_concurrent_changes_are_not_overwritten(
    admin: Person, teacher: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def changed_after_reading(user: User, *args: object, **kwargs: object) -> None:
        return None

    monkeypatch.setattr(account_store, "change", changed_after_reading)
    for person, method, path, body in (
        (admin, "PATCH", "/users/teacher", {"role": "viewer"}),
        (admin, "POST", "/users/teacher/password-reset", None),
    ):
        answer = person.ask(method, path, body)
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/account-changed")
    # If one's own account has changed, so has its key, and the token is revoked.
    for method, path, body in (
        ("PATCH", "/me", CONFIRMED | {"email": "other@example.com"}),
        ("POST", "/me/password", CONFIRMED | {"new_password": BETTER}),
    ):
        assert teacher.ask(method, path, body).status_code == 401
