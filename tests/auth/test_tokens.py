"""Tests of tokens and the keys that verify them, over HTTP on the real mongod."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jose import jwt
from pymongo import MongoClient
from pymongo.collection import Collection

from core.security import sign_token
from core.settings import Settings
from tests.conftest import AppClient, sign_in

Users = Collection[dict[str, Any]]


@pytest.fixture
def users(mongodb_url: str, settings: Settings) -> Iterator[Users]:
    """Return the collection for direct access."""
    with MongoClient[dict[str, Any]](mongodb_url) as mongo:
        yield mongo[settings.mongodb_database]["users"]


def status_with(client: TestClient, token: str) -> int:
    return client.get("/students", headers={"Authorization": f"Bearer {token}"}).status_code


def test_each_user_has_a_separate_key_and_a_bcrypt_hash(client: TestClient, users: Users) -> None:
    sign_in(client, "alice")
    sign_in(client, "bob")

    alice, bob = users.find_one({"username": "alice"}), users.find_one({"username": "bob"})

    assert alice
    assert bob
    assert re.fullmatch(r"[0-9a-f]{64}", alice["secret_key"])
    assert alice["secret_key"] != bob["secret_key"]
    assert alice["password"].startswith("$2b$")
    assert alice["email"] == "alice@example.com"


def test_a_token_is_signed_with_the_key_of_its_user(client: TestClient, users: Users) -> None:
    sign_in(client, "alice")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    alice = users.find_one({"username": "alice"})
    assert alice

    claims = jwt.decode(token, alice["secret_key"], algorithms=["HS256"])

    assert claims["sub"] == "alice"
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def test_the_lifetime_is_configurable(open_client: AppClient) -> None:
    client = open_client(access_token_minutes=5)
    sign_in(client)

    answer = client.post("/login", data={"username": "alice", "password": "secure123"})

    assert answer.json()["expires_in"] == 300


def test_a_token_signed_with_another_users_key_is_refused(client: TestClient, users: Users) -> None:
    sign_in(client, "alice")
    sign_in(client, "bob")
    bob = users.find_one({"username": "bob"})
    assert bob

    assert status_with(client, sign_token({"sub": "bob"}, bob["secret_key"], timedelta(minutes=1))) == 200
    assert status_with(client, sign_token({"sub": "alice"}, bob["secret_key"], timedelta(minutes=1))) == 401


def test_rotating_a_key_signs_out_only_that_user(client: TestClient, users: Users) -> None:
    alice = sign_in(client, "alice").headers["Authorization"].removeprefix("Bearer ")
    bob = sign_in(client, "bob").headers["Authorization"].removeprefix("Bearer ")

    users.update_one({"username": "alice"}, {"$set": {"secret_key": "0" * 64}})

    assert status_with(client, alice) == 401
    assert status_with(client, bob) == 200


def test_a_deleted_users_token_is_refused(client: TestClient, users: Users) -> None:
    token = sign_in(client).headers["Authorization"].removeprefix("Bearer ")

    users.delete_one({"username": "alice"})

    assert status_with(client, token) == 401


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWxpY2U6c2VjdXJlMTIz",
        "Bearer x",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer a.b.c.d",
        "Bearer " + "a" * 10_000,
        "Bearer \u00e9\u00e9.\u00e9.\u00e9",
        "Bearer " + jwt.encode({"sub": {"$ne": ""}}, "x"),
        "Bearer " + jwt.encode({"sub": "alice\0"}, "x"),
        "Bearer " + jwt.encode({"sub": "a" * 5000}, "x"),
        "Bearer " + jwt.encode({}, "x"),
        "Bearer " + sign_token({"sub": "alice"}, "x", timedelta(minutes=1)),
        "Bearer " + sign_token({"sub": "nobody"}, "x", timedelta(minutes=1)),
    ],
)
def test_an_invalid_authorization_is_401_with_a_challenge(client: TestClient, header: str) -> None:
    sign_in(client)

    answer = client.get("/students", headers={b"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_challenge_reports_an_invalid_token_only_if_one_was_sent(client: TestClient) -> None:
    assert client.get("/students").headers["www-authenticate"] == "Bearer"
    answer = client.get("/students", headers={"Authorization": "Bearer x"})
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_twenty_concurrent_identical_registrations_create_one_account(client: TestClient, users: Users) -> None:
    body = {"username": "alice", "email": "alice@example.com", "password": "secure123"}

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: client.post("/register", json=body).status_code, range(20)))

    assert statuses.count(201) == 1
    assert set(statuses) <= {
        201,
        409,
        429,
    }  # 429 if they filled the hashing queue
    assert users.count_documents({}) == 1


def test_responses_and_logs_contain_no_secrets(
    open_client: AppClient, users: Users, capfd: pytest.CaptureFixture[str]
) -> None:
    client = open_client(log_level="DEBUG")
    registered = client.post("/register", json={"username": "amy", "email": "amy@example.com", "password": "secure123"})
    signed_in = client.post("/login", data={"username": "amy", "password": "secure123"})
    token = signed_in.json()["access_token"]
    refused = client.post("/login", data={"username": "amy", "password": "secure124"})
    listed = client.get("/students", headers={"Authorization": f"Bearer {token}"})
    amy = users.find_one({"username": "amy"})
    assert amy

    logged = capfd.readouterr().err
    assert '"user": "amy"' in logged
    for secret in (amy["password"], amy["secret_key"], "secure123", "secure124", token):
        assert secret not in logged
        assert secret not in registered.text + refused.text + listed.text
    assert amy["secret_key"] not in signed_in.text


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"x" * 2_000_000])
def test_a_request_without_a_token_is_refused_before_its_body_is_read(client: TestClient, body: bytes) -> None:
    answer = client.post("/students", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 401
