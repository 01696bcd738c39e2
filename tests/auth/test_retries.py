"""Operations on accounts that are sent again with the same `Idempotency-Key`: neither secret nor response is stored."""

from typing import Any

import pytest
from bson import encode
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo import MongoClient

from core.identity import Role
from core.settings import Settings
from tests.auth.people import PASSWORD, Person, make, signed_in

NEW_PASSWORD = "otter-lamp-44-violin"
RESET = "/users/alice/password-reset"

Stored = list[dict[str, Any]]


@pytest.fixture
def alice(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "alice", Role.TEACHER)


def post(person: Person, path: str, body: dict[str, str] | None = None, key: str = "once") -> Response:
    headers = {"Authorization": f"Bearer {person.token}", "Idempotency-Key": key}
    return person.client.post(path, json=body, headers=headers)


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"]


NOT_KEPT = (409, "/problems/response-not-kept")


@pytest.fixture
def keys(mongodb: MongoClient[dict[str, Any]], settings: Settings) -> Any:
    return mongodb[settings.mongodb_database]["idempotency_keys"]


def test_a_one_time_code_is_made_once_and_never_stored(
    client: TestClient, admin: Person, alice: Person, keys: Any
) -> None:
    code = post(admin, RESET).json()["code"]

    assert problem(post(admin, RESET)) == NOT_KEPT
    assert code.encode() not in b"".join(map(encode, keys.find()))
    # The first code is still valid: no other one has replaced it.
    assert client.post("/password-reset", json={"code": code, "new_password": NEW_PASSWORD}).status_code == 204


def test_the_key_of_one_code_is_refused_for_another_user(client: TestClient, admin: Person, alice: Person) -> None:
    assert post(admin, RESET).status_code == 200
    assert problem(post(admin, "/users/principal/password-reset")) == (422, "/problems/key-reused")


def test_a_token_is_renewed_once_and_never_stored(alice: Person, keys: Any) -> None:
    token = post(alice, "/renew").json()["access_token"]

    assert problem(post(alice, "/renew")) == NOT_KEPT
    assert token.encode() not in b"".join(map(encode, keys.find()))


def test_a_password_leaves_no_hash(alice: Person, keys: Any) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    first = post(alice, "/me/password", body)
    assert first.status_code == 200

    alice.token = first.json()["access_token"]
    assert problem(post(alice, "/me/password", body)) == NOT_KEPT

    (used,) = keys.find()
    keys.delete_many({})
    again = {"current_password": NEW_PASSWORD, "new_password": "walrus-harp-71-candle"}
    assert post(alice, "/me/password", again).status_code == 200
    (used_again,) = keys.find()
    assert used["fingerprint"] == used_again["fingerprint"]


def test_a_wrong_password_can_be_corrected_with_the_same_key(alice: Person) -> None:
    body = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    assert post(alice, "/me/password", body).status_code >= 400
    assert post(alice, "/me/password", body | {"current_password": PASSWORD}).status_code == 200


def test_a_user_who_signed_out_everywhere_gets_no_response_with_the_old_token(
    client: TestClient, alice: Person
) -> None:
    assert post(alice, "/logout-all").status_code == 204
    assert post(alice, "/logout-all").status_code == 401
    assert problem(post(signed_in(client, "alice"), "/logout-all")) == NOT_KEPT


def test_a_demoted_admin_gets_no_response(client: TestClient, settings: Settings, admin: Person, alice: Person) -> None:
    other = make(client, settings, "other", Role.ADMIN)
    assert post(other, RESET).status_code == 200
    assert admin.ask("PATCH", "/users/other", {"role": "teacher"}).status_code == 200

    assert post(other, RESET).status_code == 401
    assert post(signed_in(client, "other"), RESET).status_code == 403


def test_public_operations_ignore_a_key(client: TestClient, keys: Any) -> None:
    key = {"Idempotency-Key": "once"}
    body = {"username": "carol", "email": "carol@example.com", "password": PASSWORD}
    form = {"username": "carol", "password": PASSWORD}

    statuses = [client.post("/register", json=body, headers=key).status_code for _ in range(2)]
    tokens = {client.post("/login", data=form, headers=key).json()["access_token"] for _ in range(2)}

    assert (statuses, len(tokens), keys.count_documents({})) == ([201, 409], 2, 0)
