"""Tests of `python -m core demo`: it fills an empty database, and refuses any other one and production."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.identity import Role
from core.registry import discover
from core.settings import Settings
from tests.conftest import AppClient, sign_in
from tests.contract.isolation import all_used_by
from tests.terminal import Terminal

pytestmark = pytest.mark.process

# No student was erased, no subject was renamed, `alice` is the name that the samples register, and the metrics are
# restricted to this machine.
NOTHING_TO_SHOW = {"/erasures", "/erasures/{erasure_id}", "/users/{username}", "/metrics"}
NOTHING_TO_SHOW |= {"/students/{roll_no}/former", "/subject-operations", "/subject-operations/{operation_id}"}


@pytest.fixture
def stored(settings: Settings, mongodb: MongoClient[dict[str, Any]]) -> Any:
    """Return the database of the test."""
    return mongodb[settings.mongodb_database]


def contents(database: Any) -> dict[str, int]:
    """Return the number of documents in each collection that has any."""
    counts = {name: database[name].count_documents({}) for name in database.list_collection_names()}
    return {name: count for name, count in counts.items() if count}


def passwords(output: str) -> dict[str, str]:
    """Return the passwords that the command prints, by user name."""
    return dict(re.findall(r"^  (\w+) +(\S+)$", output, re.MULTILINE))


def sign_in_as(client: TestClient, username: str, password: str) -> None:
    token = client.post("/login", data={"username": username, "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def answers_to_samples(client: TestClient) -> Iterator[tuple[str, httpx2.Response]]:
    """Send the sample calls of all operations that only read, of the modules that have records of the demo."""
    with_demo = {module.name for module in discover() if module.demo}
    filled = {module.name for module in discover() if with_demo & {module.name, *all_used_by(module.name)}}
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        if "get" in operations and operations["get"]["tags"][0] in {"service", *filled}:
            found = re.search(r"'http://testserver(/.*?)'", operations["get"]["x-codeSamples"][0]["source"])
            assert found, path
            yield path, client.get(found[1])


def test_the_demo_gives_the_sample_calls_something_to_show(terminal: Terminal, client: TestClient) -> None:
    done = terminal("demo")
    assert (done.returncode, done.stderr) == (0, "")

    shown = passwords(done.stdout)
    assert set(shown) == set(Role)
    assert len(set(shown.values())) == len(Role)
    for role, password in shown.items():
        sign_in_as(client, role, password)
        assert client.get("/students/S101").json()["name"] == "Asha Rao"
        assert client.get("/users").status_code == (200 if role == Role.ADMIN else 403)
    silent = {path for path, answer in answers_to_samples(client) if answer.status_code != 200 or answer.text == "[]"}
    assert silent == NOTHING_TO_SHOW
    check_school(client)

    again = terminal("demo")
    assert (again.returncode, "not empty: it has documents in the collection users" in again.stderr) == (1, True)


def check_school(client: TestClient) -> None:
    page = client.get("/students?limit=500&count=true")
    branches = Counter(student["branch"] for student in page.json())
    assert (page.headers["Total-Count"], sorted(branches.values())) == ("300", [50] * 6)
    assert client.get("/students/S102").status_code == 404, "a sample call renames S101 to S102"
    (report,) = client.get("/imports").json()
    assert (report["by"], report["state"], report["updated"], report["failed"]) == ("teacher", "done", 299, 1)
    assert client.post(f"/imports/{report['id']}/undo").json()["restored"] == 299


def test_the_demo_keeps_to_the_highest_mark(terminal: Terminal, open_client: AppClient) -> None:
    terminal.environment["MARKS_MAX"] = "4"
    done = terminal("demo")
    client = open_client(marks_max=4)
    sign_in_as(client, "viewer", passwords(done.stdout)["viewer"])
    marks = [mark for student in client.get("/students?limit=500").json() for mark in student["marks"].values()]
    assert (min(marks) >= 0, max(marks)) == (True, 4)


@pytest.mark.parametrize("kind", ["students", "imports"])
def test_the_demo_refuses_a_database_with_records(
    terminal: Terminal, client: TestClient, stored: Any, kind: str
) -> None:
    sign_in(client)
    csv = {"Content-Type": "text/csv"}
    assert client.post("/imports", content="roll_no,name,branch,math\nS1,n,b,1\n", headers=csv).status_code == 201
    for other in {"users", "students", "imports"} - {kind}:
        stored[other].delete_many({})
    before = contents(stored)

    done = terminal("demo")

    assert done.returncode == 1
    assert f"not empty: it has documents in the collection {kind}. Nothing was written." in done.stderr
    assert contents(stored) == before


def test_the_demo_refuses_production(terminal: Terminal, stored: Any) -> None:
    terminal.environment |= {"ENVIRONMENT": "production", "METRICS_TOKEN": "0" * 64}
    done = terminal("demo")
    assert (done.returncode, "production" in done.stderr) == (1, True)
    assert contents(stored) == {}
