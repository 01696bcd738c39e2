"""Tests of the cache of verified tokens: how long an entry is valid, and what removes it."""

import time
from pathlib import Path

import httpx2
import pytest
from bson import ObjectId

from core.identity import Principal, Role
from modules.auth import token_cache
from modules.auth.token_cache import VerifiedToken, VerifiedTokens
from tests.processes import until
from tests.servers import Server, serve

ALICE, BOB = ObjectId(), ObjectId()
PRINCIPAL = Principal("alice", Role.TEACHER)
ACCOUNT = {"username": "alice", "password": "giraffe-9-umbrella"}


def entry(user: ObjectId = ALICE, *, expires_in: float = 60, cached_for: float = 60) -> VerifiedToken:
    return VerifiedToken(PRINCIPAL, user, time.time() + expires_in, time.monotonic() + cached_for)


@pytest.fixture
def tokens() -> VerifiedTokens:
    return VerifiedTokens()


def test_a_token_is_believed_again(tokens: VerifiedTokens) -> None:
    tokens.add("a.b.c", entry(), tokens.changes)
    assert tokens.find("a.b.c") is PRINCIPAL
    assert tokens.find("a.b.d") is None


@pytest.mark.parametrize(("expires_in", "cached_for"), [(-0.001, 60), (60, -0.001)])
def test_not_beyond_its_end_and_not_beyond_the_bound(
    tokens: VerifiedTokens, expires_in: float, cached_for: float
) -> None:
    tokens.add("a.b.c", entry(expires_in=expires_in, cached_for=cached_for), tokens.changes)
    assert tokens.find("a.b.c") is None
    assert not tokens._tokens
    assert not tokens._keys_by_user


def test_a_change_of_an_account_removes_its_tokens(tokens: VerifiedTokens) -> None:
    for token, user in (("one", ALICE), ("two", ALICE), ("three", BOB)):
        tokens.add(token, entry(user), tokens.changes)
    tokens.evict(ALICE)
    assert [tokens.find(token) for token in ("one", "two", "three")] == [None, None, PRINCIPAL]
    tokens.clear()
    assert tokens.find("three") is None


def test_a_token_that_was_verified_before_a_change_is_not_cached_after_it(tokens: VerifiedTokens) -> None:
    before = tokens.changes
    tokens.evict(ALICE)
    tokens.add("a.b.c", entry(), before)
    assert tokens.find("a.b.c") is None


def test_the_oldest_entries_are_evicted(tokens: VerifiedTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_cache, "MAX_TOKENS", 3)
    for number in range(5):
        tokens.add(str(number), entry(ObjectId()), tokens.changes)
    assert [tokens.find(str(number)) for number in range(5)] == [None, None, PRINCIPAL, PRINCIPAL, PRINCIPAL]
    assert len(tokens._keys_by_user) == 3


def test_expired_entries_are_removed_when_a_new_one_is_added(tokens: VerifiedTokens) -> None:
    for number in range(5):
        tokens.add(str(number), entry(ObjectId(), cached_for=-1), tokens.changes)
    tokens.add("new", entry(), tokens.changes)
    assert len(tokens._tokens) == len(tokens._keys_by_user) == 1
    assert tokens.find("new") is PRINCIPAL


def test_no_token_is_kept_as_it_is(tokens: VerifiedTokens) -> None:
    tokens.add("a.b.c", entry(), tokens.changes)
    assert b"a.b.c" not in b"".join(tokens._tokens)


def statuses(server: Server, token: str, workers: int) -> list[int]:
    """Send this token on many new connections, so that every worker is asked, and return the statuses."""
    found = []
    for _ in range(8 * workers):
        with httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
            found.append(client.get("/me").status_code)
    return found


@pytest.mark.process
@pytest.mark.parametrize("end", ["sign-out", "password", "deletion"])
def test_other_workers_learn_of_a_change_before_their_entries_expire(tmp_path: Path, end: str) -> None:
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
        # The worker that made the change refuses the token at once.
        assert client.get("/me").status_code == 401
        until(lambda: set(statuses(server, token, 3)) == {401})
