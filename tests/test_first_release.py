"""Data of the first release is read correctly after its migration."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.errors import StartupError
from core.security import hash_password
from core.settings import Settings
from tests.conftest import AppClient
from tests.terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_app")]

MIGRATIONS = [
    "auth/m0001_roles",
    "students/m0001_versions",
    "students/m0002_identities",
    "students/m0003_search_terms",
    "students/m0004_sort_keys",
    "students/m0005_subjects",
]

WRITTEN = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
CHANGED = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)

STUDENTS: list[dict[str, Any]] = [
    {"roll_no": "S101", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91, "art": 78.5}, "version": 3},
    {"roll_no": "S102", "name": "Zoë Łuk", "branch": "Physics", "marks": {}, "version": 1},
]
USER = {"username": "Alice", "username_key": "alice", "email": "a@example.com", "email_key": "a@example.com"}


@pytest.fixture
def first_release(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    """Yield a database as the first release left it: each field that it wrote, and no other."""
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        database = client[settings.mongodb_database]
        database.students.insert_many(
            [{**student, "created_at": WRITTEN, "updated_at": CHANGED, "revision_id": None} for student in STUDENTS]
        )
        database.users.insert_one(
            {**USER, "password": hash_password("secure123", 4), "secret_key": "ab" * 32, "created_at": WRITTEN}
        )
        yield database


def signed_in(client: TestClient) -> TestClient:
    token = client.post("/login", data={"username": "alice", "password": "secure123"}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


@pytest.fixture
def migrated(first_release: Database[dict[str, Any]], terminal: Terminal, open_client: AppClient) -> TestClient:
    """Migrate that database from a terminal. Return a client that is signed in with the old password."""
    done = terminal("migrate")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [f"Running {name}" for name in MIGRATIONS]
    assert done.stdout == f"Migrations run: {len(MIGRATIONS)}. The database is up to date.\n"
    return signed_in(open_client())


def test_the_service_does_not_start_before_the_migration(
    first_release: Database[dict[str, Any]], open_client: AppClient
) -> None:
    before = list(first_release.students.find())

    with pytest.raises(StartupError, match=rf"{', '.join(MIGRATIONS)}\. .* python -m core migrate$"):
        open_client()

    assert list(first_release.students.find()) == before


def test_pending_migrations_can_be_listed(first_release: Database[dict[str, Any]], terminal: Terminal) -> None:
    assert terminal("migrate", "--list").stdout == "".join(f"{name}\n" for name in MIGRATIONS)
    assert first_release.students.count_documents({"keys": {"$exists": True}}) == 0

    terminal("migrate")

    assert terminal("migrate", "--list").stdout == "No migrations are pending.\n"
    assert terminal("migrate").stdout == "The database is up to date.\n"


def test_commands_refuse_a_database_with_pending_migrations(
    first_release: Database[dict[str, Any]], terminal: Terminal
) -> None:
    done = terminal("export", "students.csv")

    assert (done.returncode, done.stdout) == (1, "")
    assert "python -m core migrate" in done.stderr


def test_students_are_unchanged(migrated: TestClient) -> None:
    listed = migrated.get("/students").json()

    times = {"created_at": "2026-01-31T09:30:00Z", "updated_at": "2026-02-01T09:30:00Z"}
    without_version = [{name: value for name, value in one.items() if name != "version"} for one in STUDENTS]
    assert listed == [{**student, **times} for student in without_version]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=zoe", ["S102"]),
        ("marks.math.gte=90", ["S101"]),
        ("missing=math", ["S102"]),
        ("sort=-marks.math", ["S101", "S102"]),
        ("branch=Physics&sort=-name", ["S102", "S101"]),
    ],
)
def test_lists_find_the_students(migrated: TestClient, query: str, found: list[str]) -> None:
    assert [one["roll_no"] for one in migrated.get(f"/students?{query}").json()] == found


def test_the_versions_of_the_students_continue(migrated: TestClient) -> None:
    etag = migrated.get("/students/S101").headers["ETag"]

    assert migrated.patch("/students/S101", json={"name": "Asha"}, headers={"If-Match": etag}).status_code == 200

    newest, migrated_one = migrated.get("/students/S101/history").json()
    assert (newest["version"], newest["action"], newest["by"]) == (4, "updated", "Alice")
    assert (migrated_one["version"], migrated_one["action"], migrated_one["by"]) == (3, "updated", "(unknown)")
    assert migrated.get("/students/S101/history/3").json()["student"]["name"] == "Asha Rao"
    assert migrated.get("/students/S101/history/2").status_code == 404


def test_the_feed_of_changes_contains_the_students(migrated: TestClient) -> None:
    changes = migrated.get("/changes").json()["changes"]

    assert {one["roll_no"] for one in changes} == {"S101", "S102"}


def test_rankings_contain_the_students(migrated: TestClient) -> None:
    ranked = migrated.get("/rankings?by=total")

    assert [(one["roll_no"], one["rank"]) for one in ranked.json()] == [("S101", 1)]
    assert ranked.headers["Unranked-Count"] == "1"


def test_the_accounts_are_teachers(migrated: TestClient, first_release: Database[dict[str, Any]]) -> None:
    account = migrated.get("/me").json()

    assert (account["username"], account["role"], account["active"]) == ("Alice", "teacher", True)
    assert first_release.users.count_documents({"role": "teacher", "key_version": 0}) == 1
    assert migrated.post("/logout-all").status_code in (200, 204)
    assert migrated.get("/me").status_code == 401
