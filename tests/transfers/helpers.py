"""Helpers that send files and read the results."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import httpx2
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.database.embedded import find_mongod, run_embedded
from core.settings import Settings

JSON = dict[str, Any]

CSV = "text/csv"
NDJSON = "application/x-ndjson"

COUNTS = ("rows", "created", "updated", "unchanged", "failed")


class Client(Protocol):
    """A client of an app or of a real server."""

    def get(self, url: str) -> httpx2.Response: ...


def send(
    client: TestClient | httpx2.Client,
    content: str | bytes,
    media: str = CSV,
    headers: Mapping[str, str] | None = None,
    **params: str,
) -> httpx2.Response:
    """Import a file that is sent as the request body."""
    data = content.encode() if isinstance(content, str) else content
    return client.post("/imports", content=data, params=params, headers={"Content-Type": media, **(headers or {})})


def imported(client: TestClient | httpx2.Client, content: str | bytes, media: str = CSV, **params: Any) -> JSON:
    """Import a file and assert that it is accepted."""
    answer = send(client, content, media, **params)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def counts(report: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the counts of all, created, updated, unchanged and failed rows."""
    return tuple(report[name] for name in COUNTS)


def students(client: Client) -> dict[str, JSON]:
    """Return the name, branch and marks of every student by roll number."""
    found: dict[str, JSON] = {}
    address: str | None = "/students?limit=500&fields=roll_no,name,branch,marks"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        found |= {one.pop("roll_no"): one for one in answer.json()}
        address = answer.links["next"]["url"] if "next" in answer.links else None
    return found


def student(name: str, branch: str, **marks: float) -> JSON:
    return {"name": name, "branch": branch, "marks": marks}


def add(client: TestClient, roll_no: str, name: str = "Asha", branch: str = "Physics", **marks: float) -> None:
    answer = client.post("/students", json={"roll_no": roll_no, **student(name, branch, **marks)})
    assert answer.status_code == 201, answer.text


def table(rows: Sequence[Sequence[object]], separator: str = ",", end: str = "\n") -> str:
    """Return rows as CSV."""
    text = StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    return text.getvalue()


def lines(rows: Sequence[object]) -> str:
    """Return rows as NDJSON."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def read_table(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text)))


@contextmanager
def database_of(settings: Settings) -> Iterator[Database[JSON]]:
    """Open the tests' database for direct access."""
    assert settings.mongodb_url
    with MongoClient[JSON](settings.mongodb_url.get_secret_value(), tz_aware=True) as client:
        yield client[settings.mongodb_database]


def stored(database: Database[JSON]) -> dict[str, list[JSON]]:
    """Return all stored data of students."""
    names = ("students", "student_history", "student_changes")
    return {name: list(database[name].find().sort("_id")) for name in names}


@contextmanager
def embedded_database(folder: Path) -> Iterator[Database[JSON]]:
    """Connect directly to the database of a server on `folder/data`."""
    mongod = find_mongod(None, folder / "data")
    assert mongod
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")) as embedded,
        MongoClient[JSON](embedded.url, tz_aware=True) as client,
    ):
        yield client["student_management"]


def sign_in_at(client: httpx2.Client, name: str = "alice") -> str:
    """Register at a real server if necessary, sign in, and return the token."""
    body = {"username": name, "email": f"{name}@example.com", "password": "secure123"}
    assert client.post("/register", json=body).status_code in (201, 409)
    answer = client.post("/login", data={"username": name, "password": "secure123"}).json()
    client.headers["Authorization"] = f"Bearer {answer['access_token']}"
    return str(answer["access_token"])
