"""Tests of registration and sign-in over HTTP."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fastapi.testclient import TestClient

from tests.conftest import sign_in

# 72 bytes, the maximum length of a password.
LONG = "correct horse battery staple, tall giraffe, and seventy-two bytes of it!"

ALICE = {"username": "alice", "email": "alice@example.com", "password": "secure123"}


def test_registration_returns_the_account_without_secrets(any_client: TestClient) -> None:
    answer = any_client.post("/register", json=ALICE)

    assert answer.status_code == 201
    assert answer.json().keys() == {"username", "email", "created_at"}
    assert answer.json()["username"] == "alice"
    assert answer.json()["email"] == "alice@example.com"


@pytest.mark.parametrize(
    ("other", "pointer", "problem"),
    [
        ({"email": "b@example.com"}, "#/username", "/problems/username-taken"),
        ({"email": "b@example.com", "username": "ALICE"}, "#/username", "/problems/username-taken"),
        ({"username": "bob"}, "#/email", "/problems/email-taken"),
        ({"username": "bob", "email": "Alice@Example.com"}, "#/email", "/problems/email-taken"),
    ],
)
def test_the_error_names_a_taken_username_or_email(
    any_client: TestClient, other: dict[str, str], pointer: str, problem: str
) -> None:
    any_client.post("/register", json=ALICE)

    answer = any_client.post("/register", json=ALICE | other)

    assert answer.status_code == 409
    assert answer.json()["type"] == problem
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("username", value) for value in ("al", "a" * 65, ".alice", "al ice", "alíce", "al@x.org", None)],
        ("password", "secure\ud800123"),
        *[
            ("email", value)
            for value in (
                "Alice <alice@example.com>",
                "alice",
                "a@b@c.org",
                "a" * 300 + "@example.com",
                None,
            )
        ],
        *[("password", value) for value in ("seven77", "p" * 73, "é" * 37, "secure\x00123", None)],
    ],
)
def test_the_error_names_an_invalid_field_without_repeating_its_value(
    client: TestClient, field: str, value: Any
) -> None:
    body = json.dumps(ALICE | {field: value})
    answer = client.post("/register", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{field}"]
    if field == "password" and value:
        assert str(value)[:6] not in answer.text


@pytest.mark.parametrize("password", ["eight888", LONG, "é" + LONG[:70], "🔑🐘🌻🎷🪁" + LONG[:52], "  spaces  "])
def test_passwords_at_the_length_limits_can_be_used(client: TestClient, password: str) -> None:
    sign_in(client, password=password)

    assert client.get("/students").status_code == 200


@pytest.mark.parametrize("field", ["role", "secret_key"])
def test_unknown_fields_are_refused(client: TestClient, field: str) -> None:
    answer = client.post("/register", json=ALICE | {field: "x"})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{field}"]


def test_sign_in_returns_a_bearer_token_that_is_valid_for_half_an_hour(any_client: TestClient) -> None:
    any_client.post("/register", json=ALICE)

    answer = any_client.post("/login", data={"username": "alice", "password": "secure123"})

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == 1800


def test_usernames_are_case_insensitive_at_sign_in(any_client: TestClient) -> None:
    any_client.post("/register", json=ALICE)

    assert any_client.post("/login", data={"username": "ALICE", "password": "secure123"}).status_code == 200


def test_an_unknown_user_and_a_wrong_password_get_the_same_response(client: TestClient) -> None:
    client.post("/register", json=ALICE)
    attempts = [
        {"username": "alice", "password": "secure124"},
        {"username": "bob", "password": "secure123"},
        {"username": "$ne", "password": "secure123"},
        {"username": "alice", "password": "p" * 100},
        {"username": "alice", "password": "secure123\0"},
    ]

    answers = [client.post("/login", data=form, headers={"X-Request-ID": "same"}) for form in attempts]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert answers[0].json()["error"] == "invalid_grant"


@pytest.mark.parametrize("username", ["alice", "bob"])
def test_a_password_that_is_not_valid_unicode_is_a_wrong_password(client: TestClient, username: str) -> None:
    client.post("/register", json=ALICE)
    form = f'--X\r\nContent-Disposition: form-data; name="username"\r\n\r\n{username}\r\n'
    form += '--X\r\nContent-Disposition: form-data; name="password"\r\n\r\n\\ud800\r\n--X--\r\n'
    media_type = "multipart/form-data; boundary=X; charset=unicode_escape"

    answer = client.post("/login", content=form, headers={"Content-Type": media_type})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"username": "alice"}, 422, "invalid_request"),
        ({**ALICE, "grant_type": "refresh_token"}, 422, "unsupported_grant_type"),
        ({**ALICE, "password": "%" * 5000}, 400, "invalid_request"),
        ({**ALICE, **{f"x{number}": "" for number in range(20)}}, 400, "invalid_request"),
        ({**ALICE, "password": "x" * 1_100_000}, 413, "invalid_request"),
    ],
)
def test_every_rejected_sign_in_has_an_oauth_error_code(
    client: TestClient, form: dict[str, str], status: int, error: str
) -> None:
    answer = client.post("/login", data=form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error_description"]


REPEATED_FIELDS = [
    "username=alice&username=alice&password=secure123",
    "username=bob&password=secure123&username=alice",
    "username=alice&password=secure123&password=x",
    "username=alice&password=secure123&grant_type=&grant_type=",
    "username=alice&password=secure123&grant_type=password&grant_type=refresh_token",
    "username=alice&password=secure123&user%6eame=alice",
    "username=alice&password=secure123&colour=red&colour=blue",
    "username=&username=&password=secure123",
]


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
@pytest.mark.parametrize("form", REPEATED_FIELDS)
def test_a_repeated_field_is_400(client: TestClient, form: str, kind: str) -> None:
    """Parameters must not be included more than once (RFC 6749, section 3.2)."""
    client.post("/register", json=ALICE)
    content, media_type = form, "application/x-www-form-urlencoded"
    if kind == "multipart":
        part = '--X\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        content = "".join(part.format(*field) for field in parse_qsl(form, keep_blank_values=True)) + "--X--\r\n"
        media_type = "multipart/form-data; boundary=X"

    answer = client.post("/login", content=content, headers={"Content-Type": media_type})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["type"] == "/problems/bad-request"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error_description"]


def test_a_file_and_a_field_with_the_same_name_are_400(client: TestClient) -> None:
    fields = {"username": "alice", "password": "secure123"}

    answer = client.post("/login", data=fields, files={"username": ("a.txt", b"bob")})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/username"]


def test_many_unknown_fields_are_reported_as_one_error(client: TestClient) -> None:
    answer = client.post("/register", json={f"x{number}": 1 for number in range(50_000)})

    (error,) = answer.json()["errors"]
    assert (error["pointer"], "100" in error["detail"]) == ("#", True)


def test_a_long_password_does_not_match_by_its_first_72_bytes(client: TestClient) -> None:
    client.post("/register", json=ALICE | {"password": LONG})

    assert client.post("/login", data={"username": "alice", "password": LONG + "!"}).status_code == 401
