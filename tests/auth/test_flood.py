"""Tests of sign-ins while a flood of requests keeps the service busy with hashing passwords."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from threading import Event

import httpx2
import pytest

from tests.servers import PATIENCE, Server, serve

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

PASSWORD = "Quittenbrot-7-Fjord"
NAMES = ("amy", "ben", "cleo")

CONNECTIONS = 60
MAX_REQUESTS = 40
"""The limit for each connection of a flood, in case the sign-ins never finish."""

# This tests the fairness of the hashing queue alone: the counters in the database would stop each flood at once.
ENVIRONMENT = {
    "BCRYPT_COST": "9",
    "LOGIN_FAILURES": "1000000",
    "LOGIN_FAILURES_PER_ADDRESS": "1000000",
    "LOGIN_ATTEMPTS_PER_ADDRESS": "1000000",
    "REGISTRATIONS_PER_ADDRESS": "1000000",
}

numbers = count()


def register(client: httpx2.Client, name: str) -> httpx2.Response:
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    return client.post("/register", json=body)


def sign_in(client: httpx2.Client, name: str, password: str = PASSWORD) -> httpx2.Response:
    return client.post("/login", data={"username": name, "password": password})


FLOODS: dict[str, Callable[[httpx2.Client], httpx2.Response]] = {
    "a taken name": lambda client: register(client, "amy"),
    "new accounts": lambda client: register(client, f"stranger{next(numbers)}"),
    "weak passwords": lambda client: client.post(
        "/register",
        json={"username": f"weak{next(numbers)}", "email": f"w{next(numbers)}@example.com", "password": "password1"},
    ),
    "successful sign-ins": lambda client: sign_in(client, "cleo"),
    "failed sign-ins": lambda client: sign_in(client, f"nobody{next(numbers)}"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("flood"), **ENVIRONMENT) as server, client_at(server, "127.0.0.1") as client:
        for name in NAMES:
            assert register(client, name).status_code == 201
        yield server


def client_at(server: Server, address: str) -> httpx2.Client:
    """Return a client that connects from this loopback address."""
    return httpx2.Client(base_url=server.url, timeout=PATIENCE, transport=httpx2.HTTPTransport(local_address=address))


@pytest.mark.parametrize(
    ("flood", "addresses"),
    [
        ("a taken name", 1),
        ("new accounts", 4),
        ("weak passwords", 1),
        ("successful sign-ins", 1),
        ("failed sign-ins", 4),
    ],
)
def test_users_can_sign_in_during_a_flood_from_other_addresses(server: Server, flood: str, addresses: int) -> None:
    over, busy = Event(), Event()

    def send(number: int) -> list[int]:
        statuses = list[int]()
        with client_at(server, f"127.0.2.{number % addresses + 1}") as client:
            while not over.is_set() and len(statuses) < MAX_REQUESTS:
                statuses.append(FLOODS[flood](client).status_code)
                busy.set()
        return statuses

    with ThreadPoolExecutor(CONNECTIONS) as pool, ExitStack() as stack:
        stack.callback(over.set)
        sending = [pool.submit(send, number) for number in range(CONNECTIONS)]
        assert busy.wait(PATIENCE)
        with client_at(server, "127.0.3.1") as home, client_at(server, "127.0.3.2") as school:
            answers = [sign_in(client, name) for client in (home, school) for name in NAMES]
        over.set()
        flooding = {status for task in sending for status in task.result()}

    assert [answer.status_code for answer in answers] == [200] * 6
    assert flooding <= {200, 201, 401, 409, 422, 429, 503}
