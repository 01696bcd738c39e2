"""Tests that the name of a deleted account cannot be registered again."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.identity import Role
from core.settings import Settings
from modules.auth import admin_roster, usernames
from tests.auth.interleaving import after
from tests.auth.people import PASSWORD, Person, make, signed_in, stored
from tests.conftest import AppClient

CONFIRMED = {"current_password": PASSWORD}


@pytest.fixture
def database(mongodb_url: str, settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongodb_url) as mongo:
        yield mongo[settings.mongodb_database]


def registration(name: str) -> dict[str, str]:
    return {"username": name, "email": "newcomer@example.com", "password": PASSWORD}


@pytest.mark.parametrize("by", ["admin", "owner"])
def test_the_name_of_a_deleted_account_stays_taken(
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
    # The e-mail address can be used again, and only a hash of the name is stored.
    other = registration("Betty") | {"email": "wilma@example.com"}
    assert client.post("/register", json=other).status_code == 201
    (retired,) = database.retired_usernames.find()
    assert "wilma" not in str(retired).lower()


def test_a_name_that_an_older_release_deleted_stays_taken(
    admin: Person, teacher: Person, database: Database[dict[str, Any]]
) -> None:
    assert admin.ask("DELETE", "/users/teacher").status_code == 204
    database.retired_usernames.delete_many({})

    assert teacher.client.post("/register", json=registration("Teacher")).status_code == 409


def test_a_changed_pepper_releases_no_names(open_client: AppClient, settings: Settings) -> None:
    teacher = make(open_client(), settings, "teacher", Role.TEACHER)
    assert teacher.ask("DELETE", "/me", CONFIRMED).status_code == 204

    peppered = open_client(token_pepper="p" * 32)

    assert peppered.post("/register", json=registration("teacher")).status_code == 409


def test_an_interrupted_deletion_can_be_repeated(admin: Person, teacher: Person) -> None:
    assert teacher.client.portal
    teacher.client.portal.call(usernames.retire, "teacher")

    assert teacher.is_signed_in()
    assert admin.ask("DELETE", "/users/teacher").status_code == 204
    assert teacher.client.post("/register", json=registration("teacher")).status_code == 409


def test_a_registration_during_the_deletion_does_not_get_the_name(
    client: TestClient, teacher: Person, database: Database[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def delete() -> None:
        assert await admin_roster.delete(await stored("teacher"))

    # The service searches the retired names first, then the accounts.
    monkeypatch.setattr(usernames, "is_retired", after(usernames.is_retired, delete))

    refused = client.post("/register", json=registration("teacher"))

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/username-taken")
    assert database.users.count_documents({"username_key": "teacher"}) == 0


def test_concurrent_retirements_create_one_key_for_the_hashes(client: TestClient) -> None:
    async def retire() -> set[bool]:
        await asyncio.gather(*(usernames.retire(f"name-{number}") for number in range(20)))
        return set(await asyncio.gather(*(usernames.is_retired(f"name-{number}") for number in range(20))))

    assert client.portal
    assert client.portal.call(retire) == {True}
