"""Tests of revocation on real servers: between the head and the body of a request, and by another process."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from core.database.embedded import find_mongod
from tests.faults.raw import Answer, Raw
from tests.replica_set import free_port
from tests.servers import Server, serve

pytestmark = pytest.mark.process

PASSWORD = "giraffe-9-umbrella"
CONFIRMED = {"current_password": PASSWORD}
STUDENT = {"roll_no": "S1", "name": "changed", "branch": "b"}
FILE = "roll_no,name,branch,math\nS1,changed,b,1\nS2,new,b,2\n"
IN_FORM = f'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\n{FILE}\r\n--b--\r\n'
NUMBERS = count()

WRITES: list[tuple[str, str, str, str]] = [
    ("POST", "/students", "application/json", json.dumps(STUDENT | {"roll_no": "S9"})),
    ("PUT", "/students/S1", "application/json", json.dumps(STUDENT)),
    ("PATCH", "/students/S1", "application/json", '{"name": "changed"}'),
    ("POST", "/imports", "text/csv", FILE),
    ("POST", "/imports", "multipart/form-data; boundary=b", IN_FORM),
    ("PATCH", "/me", "application/json", json.dumps(CONFIRMED | {"email": "other@example.com"})),
    ("PATCH", "/users/victim", "application/json", '{"role": "admin"}'),
]


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Run a mongod that is not a replica set and so has no change streams; yield its URL."""
    mongod = find_mongod(None, folder)
    assert mongod
    (folder / "mongod").mkdir()
    port = free_port()
    paths = ["--port", str(port), "--dbpath", str(folder / "mongod"), "--logpath", str(folder / "mongod.log")]
    flags = ["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    process = subprocess.Popen([str(mongod.path), *paths, *flags], stdout=subprocess.DEVNULL)
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Pair:
    """Two processes of the service on one database."""

    def __init__(self, first: Server, second: Server, database: Database[dict[str, Any]]) -> None:
        self.servers = (first, second)
        self.database = database

    def ask(self, at: int, method: str, path: str, token: str | None = None, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self.servers[at].client() as client:
            return client.request(method, path, headers=headers, **options)

    def account(self, role: str = "teacher", name: str = "") -> tuple[str, str]:
        """Register an account with this role; return its name and a token."""
        name = name or f"user{next(NUMBERS)}"
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        assert self.ask(0, "POST", "/register", json=body).status_code == 201
        user = self.database.users.find_one_and_update({"username": name}, {"$set": {"role": role}})
        assert user
        if role == "admin":
            listed = {"$addToSet": {"members": user["_id"]}}
            self.database.admin_roster.update_one({"_id": "admins"}, listed, upsert=True)
        answer = self.ask(0, "POST", "/login", data={"username": name, "password": PASSWORD})
        return name, answer.json()["access_token"]


@pytest.fixture(scope="module", params=["300", "0"], ids=["cache", "no cache"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    for name in ("first", "second"):
        (folder / name).mkdir()
    options = {
        "AUTH_CACHE_SECONDS": request.param,
        "LOGIN_FAILURES_PER_ADDRESS": "10000",
        "MONGODB_DATABASE": "pair",
    }
    with (
        standalone(folder) as url,
        serve(folder / "first", MONGODB_URL=url, **options) as first,
        serve(folder / "second", MONGODB_URL=url, **options) as second,
        MongoClient[dict[str, Any]](url) as mongo,
    ):
        yield Pair(first, second, mongo["pair"])


@pytest.fixture(scope="module")
def root(pair: Pair) -> str:
    """Return the token of an admin whose account does not change."""
    return pair.account("admin", "root")[1]


REVOCATIONS = ["sign-out", "deactivation", "demotion", "deletion"]


def revoke_token(pair: Pair, root: str, how: str, name: str, token: str) -> None:
    match how:
        case "sign-out":
            answer = pair.ask(0, "POST", "/logout-all", token)
        case "deletion":
            answer = pair.ask(0, "DELETE", f"/users/{name}", root)
        case _:
            change = {"active": False} if how == "deactivation" else {"role": "viewer"}
            answer = pair.ask(0, "PATCH", f"/users/{name}", root, json=change)
    assert answer.is_success, answer.text


def send_in_two(server: Server, token: str, write: tuple[str, str, str, str], between: Callable[[], None]) -> Answer:
    """Send the head, call `between` once the server asks for the body (RFC 9110, section 10.1.1), and send the body."""
    method, path, kind, body = write
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Expect: 100-continue",
        "Connection: close",
    ]
    with Raw(server) as connection:
        connection.send("\r\n".join([*lines, "", ""]))
        assert connection.answer().status == 100
        connection.send(body[:5])
        between()
        connection.send(body[5:])
        return connection.answer()


def stored(database: Database[dict[str, Any]], *collections: str) -> dict[str, list[Any]]:
    return {name: list(database[name].find().sort("_id")) for name in collections}


@pytest.mark.parametrize("how", REVOCATIONS)
@pytest.mark.parametrize("at", [0, 1], ids=["same process", "other process"])
def test_a_body_that_arrives_after_the_revocation_writes_nothing(pair: Pair, root: str, how: str, at: int) -> None:
    if not pair.database.students.count_documents({}):
        pair.ask(0, "POST", "/students", root, json=STUDENT | {"name": "n"})
        pair.account(name="victim")
    students = stored(pair.database, "students", "student_history", "imports", "import_files")

    statuses = {}
    for write in WRITES:
        name, token = pair.account("admin")

        def revoke(name: str = name, token: str = token) -> None:
            revoke_token(pair, root, how, name, token)

        statuses[write[:3]] = send_in_two(pair.servers[at], token, write, revoke).status

    assert statuses == dict.fromkeys(statuses, 401)
    assert stored(pair.database, *students) == students
    victim = pair.database.users.find_one({"username": "victim"})
    assert victim
    assert (victim["role"], victim["key_version"]) == ("teacher", 0)


@pytest.mark.parametrize("how", REVOCATIONS)
def test_a_token_that_one_process_revokes_is_valid_only_for_reads_in_the_other(pair: Pair, root: str, how: str) -> None:
    name, token = pair.account("admin")
    assert pair.ask(1, "GET", "/students", token).status_code == 200  # cached there now
    revoke_token(pair, root, how, name, token)

    requests: list[tuple[str, str, Any]] = [
        ("POST", "/renew", None),
        ("POST", "/logout-all", None),
        ("GET", "/me", None),
        ("PATCH", "/me", CONFIRMED | {"email": "other@example.com"}),
        ("DELETE", "/me", CONFIRMED),
        ("POST", "/me/password", CONFIRMED | {"new_password": "otter-lamp-44-violin"}),
        ("GET", "/users", None),
        ("PATCH", f"/users/{name}", {"active": True}),
        ("POST", "/users/root/password-reset", None),
        ("GET", "/auth-events", None),
        ("POST", "/students", STUDENT | {"roll_no": "S8"}),
        ("DELETE", "/students/S1", None),
    ]
    statuses = {
        (method, path): pair.ask(1, method, path, token, json=body).status_code for method, path, body in requests
    }

    assert statuses == dict.fromkeys(statuses, 401)


@pytest.mark.parametrize("path", ["/logout-all", "/me/password"])
def test_renewals_in_one_process_do_not_survive_a_revocation_in_the_other(pair: Pair, path: str) -> None:
    _, token = pair.account()
    body = CONFIRMED | {"new_password": "otter-lamp-44-violin"} if path == "/me/password" else None

    with ThreadPoolExecutor(6) as pool:
        renewals = [pool.submit(pair.ask, number % 2, "POST", "/renew", token) for number in range(10)]
        revoking = pool.submit(pair.ask, 0, "POST", path, token, json=body)
        renewals += [pool.submit(pair.ask, number % 2, "POST", "/renew", token) for number in range(10)]
    assert revoking.result().is_success

    answers = [renewal.result() for renewal in renewals]
    assert {answer.status_code for answer in answers} <= {200, 401}
    renewed = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    valid = [one for one in [token, *renewed] for at in (0, 1) if pair.ask(at, "GET", "/me", one).status_code != 401]
    assert valid == []


def test_the_name_of_a_deleted_account_is_taken_in_every_process(pair: Pair, root: str) -> None:
    name, token = pair.account()
    assert pair.ask(1, "GET", "/students", token).status_code == 200
    assert pair.ask(0, "DELETE", f"/users/{name}", root).status_code == 204

    body = {"username": name.upper(), "email": f"{name}@example.com", "password": PASSWORD}
    answers = [pair.ask(at, "POST", "/register", json=body) for at in (0, 1)]

    assert [(one.status_code, one.json()["type"]) for one in answers] == [(409, "/problems/username-taken")] * 2
    assert pair.ask(1, "POST", "/renew", token).status_code == 401
