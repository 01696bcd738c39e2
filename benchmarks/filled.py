"""A running service with a given number of students."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from anyio.from_thread import start_blocking_portal
from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.common import expect, server, surroundings
from benchmarks.school import students
from core.database import find_mongod, run_embedded
from core.settings import Settings
from modules.students.models import StudentDocument

BATCH = 5_000


@dataclass(frozen=True)
class School:
    """A running service with `size` students, an authenticated client, and its database."""

    size: int
    client: httpx2.Client
    database: Database[dict[str, Any]]


# A token must outlast a long run.
SETTINGS = {"ACCESS_TOKEN_MINUTES": "600"}

ACCOUNT = {"username": "teacher", "password": "violet-Harbour-271"}


@contextmanager
def open_school(size: int) -> Iterator[tuple[School, dict[str, Any]]]:
    """Run a service with `size` students and an authenticated client. Yield it with its environment."""
    with ExitStack() as stack:
        service, folder = stack.enter_context(server(**SETTINGS))
        mongod = find_mongod(None, folder / "data")
        assert mongod, "the running service has found a mongod"
        portal = stack.enter_context(start_blocking_portal())
        embedded = stack.enter_context(portal.wrap_async_context_manager(run_embedded(mongod, folder / "data")))
        driver: MongoClient[dict[str, Any]] = MongoClient(embedded.url, tz_aware=True)
        client = stack.enter_context(service.client())
        database = stack.enter_context(driver)[Settings.model_fields["mongodb_database"].default]
        sign_in(client)
        check_shape(client, database)
        fill(database, size)
        sign_in(client)
        yield School(size, client, database), surroundings(service)


def sign_in(client: httpx2.Client) -> None:
    """Sign the client in as a teacher, after registering the account if it does not exist."""
    expect(client.post("/register", json=ACCOUNT | {"email": "teacher@example.com"}), 201, 409)
    token = expect(client.post("/login", data=ACCOUNT), 200).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def check_shape(client: httpx2.Client, database: Database[dict[str, Any]]) -> None:
    """Check that the documents of `fill` equal those of the service, and delete the student created for it."""
    (made,) = students(1)
    content = {name: made[name] for name in ("roll_no", "name", "branch", "marks")}
    expect(client.post("/students", json=content), 201)
    stored = database.students.find_one({}, {"_id": 0, "unsequenced": 0})
    assert stored
    made["keys"] |= {name: stored["keys"][name] for name in ("natural", "name", "last_name")}  # simpler in the floor
    new = {name: stored[name] for name in ("created_at", "updated_at", "stamp")}
    assert stored == made | new, f"the service stores {stored}"
    assert list(map(type, stored.values())) == list(map(type, made.values()))
    database.students.delete_many({})


def fill(database: Database[dict[str, Any]], size: int) -> None:
    """Insert the students, each with a number in the changes feed. Building the indexes afterwards is faster."""
    database.students.drop_indexes()
    made = students(size)
    for stored in range(0, size, BATCH):
        rows = [next(made) for _ in range(min(BATCH, size - stored))]
        ids = database.students.insert_many(rows, ordered=False).inserted_ids
        changes = [{"_id": number, "student": id_} for number, id_ in enumerate(ids, stored + 1)]
        database.student_changes.insert_many(changes, ordered=False)
        print(f"\r{stored + len(rows):,} of {size:,} students stored", end="", file=sys.stderr, flush=True)
    print("; building indexes", file=sys.stderr)
    database.students.create_indexes(StudentDocument.Settings.indexes)
