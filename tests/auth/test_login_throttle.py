"""Tests of throttling, which limits the guessing of passwords."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from core.clock import utc_now
from core.identity import Role
from core.settings import Settings
from modules.auth import login_throttle, password_hashing
from modules.auth.models import LoginFailures
from tests.auth.people import PASSWORD, Person, make
from tests.conftest import AppClient


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    """Return a client at the address of a trusted proxy: `X-Forwarded-For` sets the client address."""
    client = open_client(trusted_proxies=(ip_network("127.0.0.0/8"),))
    client.asgi.client = ("127.0.0.1", 50000)
    return client


def sign_in(client: TestClient, name: str, password: str, address: str = "192.0.2.1") -> Any:
    return client.post("/login", data={"username": name, "password": password}, headers={"X-Forwarded-For": address})


def test_five_failures_block_further_attempts_and_set_retry_after(teacher: Person) -> None:
    statuses = [sign_in(teacher.client, "teacher", "wrong").status_code for _ in range(5)]
    blocked = sign_in(teacher.client, "teacher", PASSWORD)

    assert statuses == [401] * 5
    assert (blocked.status_code, blocked.json()["type"]) == (429, "/problems/too-many-requests")
    assert 240 < int(blocked.headers["retry-after"]) <= 301
    assert blocked.json()["error"] == "invalid_request"


def test_failures_from_one_address_do_not_block_the_user_at_another(teacher: Person) -> None:
    for _ in range(6):
        sign_in(teacher.client, "teacher", "wrong", "198.51.100.7")

    assert sign_in(teacher.client, "teacher", PASSWORD, "198.51.100.7").status_code == 429
    assert sign_in(teacher.client, "teacher", PASSWORD, "192.0.2.1").status_code == 200


def test_an_unknown_name_is_blocked_like_a_known_one(teacher: Person) -> None:
    for name in ("teacher", "nobody", "not a name"):
        statuses = [sign_in(teacher.client, name, "wrong", f"192.0.2.{len(name)}").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]


def test_case_variants_of_a_name_are_counted_together(teacher: Person) -> None:
    names = ["teacher", "Teacher", "TEACHER", "tEacher", "teaCher", "teacheR"]

    assert [sign_in(teacher.client, name, "wrong").status_code for name in names] == [401] * 5 + [429]


@pytest.mark.parametrize("order", ["nnnnnneeeeee", "nenenenenene", "nnneeennneee", "eeeeeennnnnn"])
def test_failures_by_name_and_by_address_count_together_and_do_not_show_it(teacher: Person, order: str) -> None:
    client, transcripts = teacher.client, []
    for number, name in enumerate(("teacher", "nobody")):
        texts = {"n": name, "e": f"{name}@example.com"}
        answers = [sign_in(client, texts[each], "wrong", f"192.0.2.{number}") for each in order]
        transcripts.append([(answer.status_code, answer.json()["title"]) for answer in answers])

    assert transcripts[0] == transcripts[1]
    for text in ("teacher", "teacher@example.com"):
        assert sign_in(client, text, PASSWORD, "192.0.2.0").status_code == 429
    assert sign_in(client, "teacher@example.com", PASSWORD, "192.0.2.9").status_code == 200


def test_after_five_failures_by_name_and_by_address_the_right_password_is_a_wrong_one(teacher: Person) -> None:
    client, texts = teacher.client, ("teacher", "teacher@example.com", " TEACHER", "Teacher@Example.com ", "teacher")
    for text in texts:
        assert sign_in(client, text, "wrong").status_code == 401

    assert [sign_in(client, text, PASSWORD).status_code for text in texts[:2]] == [401, 401]
    assert sign_in(client, "teacher@example.com", PASSWORD, "192.0.2.2").status_code == 200


def test_failures_by_address_block_a_change_of_the_password(teacher: Person) -> None:
    for _ in range(5):
        assert sign_in(teacher.client, "teacher@example.com", "wrong", "127.0.0.1").status_code == 401

    body = {"current_password": PASSWORD, "new_password": "Sanddorn-9-Geysir"}
    assert teacher.ask("POST", "/me/password", body).status_code == 429


def test_an_address_that_tries_many_names_is_blocked(teacher: Person) -> None:
    statuses = [sign_in(teacher.client, f"user{number}", "wrong").status_code for number in range(21)]

    assert statuses == [401] * 20 + [429]
    assert sign_in(teacher.client, "teacher", PASSWORD).status_code == 429
    assert sign_in(teacher.client, "teacher", PASSWORD, "192.0.2.2").status_code == 200


def test_one_ipv6_network_counts_as_one_address(teacher: Person) -> None:
    statuses = [sign_in(teacher.client, "teacher", "wrong", f"2001:db8::{number}").status_code for number in range(6)]

    assert statuses == [401] * 5 + [429]
    assert sign_in(teacher.client, "teacher", "wrong", "2001:db8:0:1::1").status_code == 401


def test_the_right_password_resets_the_counter(teacher: Person) -> None:
    for name in ("teacher", "teacher@example.com", "teacher"):
        for _ in range(4):
            assert sign_in(teacher.client, name, "wrong").status_code == 401
        assert sign_in(teacher.client, name, PASSWORD).status_code == 200


def test_a_block_ends_with_its_window(teacher: Person) -> None:
    for _ in range(6):
        sign_in(teacher.client, "teacher", "wrong")

    async def let_time_pass() -> None:
        await LoginFailures.find({}).update({"$set": {"expires_at": utc_now() - timedelta(seconds=1)}})

    assert teacher.client.portal
    teacher.client.portal.call(let_time_pass)

    assert [sign_in(teacher.client, "teacher", "wrong").status_code for _ in range(6)] == [401] * 5 + [429]


def test_the_limits_are_configurable(open_client: AppClient) -> None:
    client = open_client(login_failures=2, login_failures_per_address=3, login_window_minutes=60)

    statuses = [client.post("/login", data={"username": "a11", "password": "x"}) for _ in range(3)]

    assert [answer.status_code for answer in statuses] == [401, 401, 429]
    assert int(statuses[2].headers["retry-after"]) > 3000
    assert [client.post("/login", data={"username": f"b{n}b", "password": "x"}).status_code for n in range(2)] == [
        401,
        429,
    ]


def test_concurrent_failures_are_all_counted(teacher: Person) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: sign_in(teacher.client, "teacher", "wrong"), range(20)))

    async def counts() -> list[int]:
        """Return the counters, except that of the address from which the teacher signed in before."""
        return sorted(counter.failures for counter in await LoginFailures.find({}).to_list())[1:]

    assert teacher.client.portal
    name, account, address, attempts = teacher.client.portal.call(counts)
    assert name == account == address >= 5
    assert attempts == 20


def test_concurrent_guesses_are_limited(teacher: Person) -> None:
    guesses = ["wrong"] * 30 + [PASSWORD]

    with ThreadPoolExecutor(31) as pool:
        statuses = list(pool.map(lambda guess: sign_in(teacher.client, "teacher", guess).status_code, guesses))

    assert set(statuses[:30]) == {401, 429}
    assert statuses[-1] in (200, 429)
    # The right guess, unless it was blocked, has reset the counter.
    assert statuses.count(401) <= (10 if statuses[-1] == 200 else 5)


def test_successful_attempts_count_too(open_client: AppClient, settings: Settings) -> None:
    client = open_client(login_attempts_per_address=4)
    make(client, settings, "teacher", Role.TEACHER)  # signs in once

    answers = [client.post("/login", data={"username": "teacher", "password": PASSWORD}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert (answers[-1].json()["type"], answers[-1].json()["error"]) == (
        "/problems/too-many-requests",
        "invalid_request",
    )
    assert 240 < int(answers[-1].headers["Retry-After"]) <= 301


def test_password_changes_and_resets_count_as_attempts(open_client: AppClient, settings: Settings) -> None:
    client = open_client(login_attempts_per_address=5)
    teacher = make(client, settings, "teacher", Role.TEACHER)

    def change_password() -> int:
        body = {"current_password": "wrong-9-wrong", "new_password": "Sanddorn-9-Geysir"}
        return teacher.ask("POST", "/me/password", body).status_code

    def reset_password() -> int:
        return client.post("/password-reset", json={"code": "x", "new_password": "Sanddorn-9-Geysir"}).status_code

    assert [change_password(), reset_password(), change_password(), reset_password()] == [422] * 4
    assert [change_password(), reset_password()] == [429, 429]
    assert client.post("/login", data={"username": "teacher", "password": PASSWORD}).status_code == 429


def register(client: TestClient, name: str, address: str = "192.0.2.1", **changes: str) -> Response:
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD} | changes
    return client.post("/register", json=body, headers={"X-Forwarded-For": address})


def test_an_address_can_register_20_accounts(client: TestClient) -> None:
    answers = [register(client, f"user{number}", "192.0.2.4") for number in range(25)]

    assert [answer.status_code for answer in answers] == [201] * 20 + [429] * 5
    assert 240 < int(answers[-1].headers["Retry-After"]) <= 301
    assert register(client, "user20", "192.0.2.2").status_code == 201
    assert sign_in(client, "user0", PASSWORD).status_code == 200


def test_repeated_refusals_of_an_address_cause_no_query(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_throttle, "REMEMBERED_SECONDS", 600)
    for _ in range(20):
        register(client, "alice", "192.0.2.5")
    assert register(client, "alice", "192.0.2.5").status_code == 429

    monkeypatch.setattr(LoginFailures, "get_motor_collection", lambda: 1 // 0)
    assert register(client, "alice", "192.0.2.5").status_code == 429
    assert register(client, "alice", "192.0.2.6").status_code == 500
    login_throttle._blocked.clear()


def test_attempts_to_find_taken_email_addresses_are_limited(client: TestClient) -> None:
    register(client, "alice", "192.0.2.2")

    answers = [register(client, f"user{number}", "192.0.2.3", email="ALICE@example.com") for number in range(21)]

    assert [answer.status_code for answer in answers] == [409] * 20 + [429]


@pytest.mark.parametrize(
    ("taken", "pointer"),
    [
        ({"name": "Alice", "email": "other@example.com"}, "#/username"),
        ({"name": "other", "email": "Alice@Example.com"}, "#/email"),
        ({"name": "Alice"}, "#/username"),
    ],
)
def test_no_password_is_hashed_if_the_name_or_email_is_taken(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, taken: dict[str, str], pointer: str
) -> None:
    register(client, "alice")
    monkeypatch.setattr(password_hashing, "hash_new", lambda *_: 1 // 0)

    answer = register(client, **taken)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, pointer)


def test_a_hundred_users_behind_one_address_can_sign_in_at_once(client: TestClient) -> None:
    names = [f"user{number}" for number in range(5)]
    for name in names:
        assert register(client, name).status_code == 201

    with ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(lambda number: sign_in(client, names[number % 5], PASSWORD).status_code, range(100)))

    assert statuses == [200] * 100


def test_counters_contain_neither_the_given_name_nor_the_address(client: TestClient) -> None:
    sign_in(client, "hunter2-is-my-password", "x")

    async def keys() -> list[str]:
        return [counter.id for counter in await LoginFailures.find({}).to_list()]

    assert client.portal
    assert not [key for key in client.portal.call(keys) if "hunter2" in key or "192.0.2" in key]
