"""Tokens that are believed again: for how long, and what ends it."""

import time
from pathlib import Path

import httpx2
import pytest
from bson import ObjectId

from core.identity import Principal, Role
from modules.auth import token_cache
from modules.auth.token_cache import Verified, VerifiedTokens
from tests.processes import until
from tests.servers import Server, serve

ALICE, BOB = ObjectId(), ObjectId()
PRINCIPAL = Principal("alice", Role.TEACHER)
ACCOUNT = {"username": "alice", "password": "giraffe-9-umbrella"}


def entry(user: ObjectId = ALICE, *, expires_in: float = 60, believed_for: float = 60) -> Verified:
    return Verified(PRINCIPAL, user, time.time() + expires_in, time.monotonic() + believed_for)


@pytest.fixture
def tokens() -> VerifiedTokens:
    return VerifiedTokens()


def test_a_token_is_believed_again(tokens: VerifiedTokens) -> None:
    tokens.keep("a.b.c", entry(), tokens.changes)
    assert tokens.find("a.b.c") is PRINCIPAL
    assert tokens.find("a.b.d") is None


@pytest.mark.parametrize(("expires_in", "believed_for"), [(-0.001, 60), (60, -0.001)])
def test_not_beyond_its_end_and_not_beyond_the_bound(
    tokens: VerifiedTokens, expires_in: float, believed_for: float
) -> None:
    tokens.keep("a.b.c", entry(expires_in=expires_in, believed_for=believed_for), tokens.changes)
    assert tokens.find("a.b.c") is None
    assert not tokens._tokens
    assert not tokens._of_user


def test_a_change_ends_it_for_one_user(tokens: VerifiedTokens) -> None:
    for token, user in (("one", ALICE), ("two", ALICE), ("three", BOB)):
        tokens.keep(token, entry(user), tokens.changes)
    tokens.forget(ALICE)
    assert [tokens.find(token) for token in ("one", "two", "three")] == [None, None, PRINCIPAL]
    tokens.forget_all()
    assert tokens.find("three") is None


def test_what_was_verified_before_a_change_is_not_kept_after_it(tokens: VerifiedTokens) -> None:
    before = tokens.changes
    tokens.forget(ALICE)
    tokens.keep("a.b.c", entry(), before)
    assert tokens.find("a.b.c") is None


def test_the_oldest_make_room(tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "MAX_TOKENS", 3)
    for number in range(5):
        tokens.keep(str(number), entry(ObjectId()), tokens.changes)
    assert [tokens.find(str(number)) for number in range(5)] == [None, None, PRINCIPAL, PRINCIPAL, PRINCIPAL]
    assert len(tokens._of_user) == 3


def test_what_is_believed_no_more_goes_when_others_come(tokens: VerifiedTokens) -> None:
    for number in range(5):
        tokens.keep(str(number), entry(ObjectId(), believed_for=-1), tokens.changes)
    tokens.keep("new", entry(), tokens.changes)
    assert len(tokens._tokens) == len(tokens._of_user) == 1
    assert tokens.find("new") is PRINCIPAL


def test_no_token_is_kept_as_it_is(tokens: VerifiedTokens) -> None:
    tokens.keep("a.b.c", entry(), tokens.changes)
    assert b"a.b.c" not in b"".join(tokens._tokens)


def statuses(server: Server, token: str, workers: int) -> list[int]:
    """What this token is answered on so many connections: more than the workers, so that all of them are asked."""
    found = []
    for _ in range(8 * workers):
        with httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
            found.append(client.get("/me").status_code)
    return found


@pytest.mark.process
@pytest.mark.parametrize("end", ["sign-out", "password", "deletion"])
def test_other_workers_hear_of_a_change_long_before_the_bound(tmp_path: Path, end: str) -> None:
    with serve(tmp_path, "--workers", "3", AUTH_CACHE_SECONDS="300") as server, server.client() as client:
        until(lambda: len([line for line in server.log_lines() if "embedded" in str(line["message"])]) == 3)
        assert client.post("/register", json=ACCOUNT | {"email": "alice@example.com"}).status_code == 201
        token = client.post("/login", data=ACCOUNT).json()["access_token"]
        assert set(statuses(server, token, 3)) == {200}

        client.headers["Authorization"] = f"Bearer {token}"
        match end:
            case "sign-out":
                answer = client.post("/logout-all")
            case "password":
                answer = client.post(
                    "/me/password",
                    json={"current_password": ACCOUNT["password"], "new_password": "otter-lamp-44-violin"},
                )
            case _:
                answer = client.request("DELETE", "/me", json={"current_password": ACCOUNT["password"]})
        assert answer.is_success, answer.text
        # On the connection that made the change, at once.
        assert client.get("/me").status_code == 401
        until(lambda: set(statuses(server, token, 3)) == {401})
