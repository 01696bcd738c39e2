"""The stored identity keys, by which a student is found whose roll number is written differently or has changed."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from beanie import init_beanie
from fastapi.testclient import TestClient
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.database import Database

from core.settings import Settings
from modules.students.migrations import m0002_identities
from modules.students.models import MAX_FORMER
from modules.students.records import bulk, integrity
from modules.students.records.bulk import MAX_SIMILAR, SimilarStudent, StudentBulkStore
from tests.students.listing import store

Stored = Database[dict[str, Any]]
Migrate = Callable[[], None]


@pytest.fixture
def stored(settings: Settings) -> Iterator[Stored]:
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        yield client[settings.mongodb_database]


@pytest.fixture
def migrate(settings: Settings) -> Migrate:
    """Return a function that runs the migration."""
    assert settings.mongodb_url
    url = settings.mongodb_url.get_secret_value()

    async def run() -> None:
        step: Any = m0002_identities.Forward.complete
        client: Any = AsyncIOMotorClient(url)
        await init_beanie(database=client[settings.mongodb_database], document_models=step.models)
        await step.run(session=None)
        client.close()

    return lambda: asyncio.run(run())


def create(client: TestClient, roll_no: str, name: str = "Asha Rao") -> None:
    body = {"roll_no": roll_no, "name": name, "branch": "Physics"}
    assert client.post("/students", json=body).status_code == 201


def rename(client: TestClient, *roll_nos: str) -> None:
    """Give the student with the first roll number each of the others in turn."""
    for old, new in pairwise(roll_nos):
        assert client.post(f"/students/{old}/rename", json={"roll_no": new}).status_code == 200


def identities(stored: Stored) -> dict[str, list[str]]:
    """Return the identity keys of each student by roll number."""
    return {one["roll_no"]: one["keys"]["identities"] for one in stored.students.find()}


def is_whole(client: TestClient) -> bool:
    async def find() -> list[str]:
        return [finding async for finding in integrity.data_check()]

    assert client.portal
    return client.portal.call(find) == []


def similar(client: TestClient, *roll_nos: str) -> dict[str, list[SimilarStudent]]:
    assert client.portal
    return client.portal.call(StudentBulkStore.find_similar, roll_nos)


def test_a_student_keeps_the_keys_of_earlier_roll_numbers(client: TestClient, stored: Stored) -> None:
    create(client, "0142")
    rename(client, "0142", "CS-7", "cs-07", "X", "142")
    client.patch("/students/142", json={"branch": "Art"})

    assert identities(stored) == {"142": ["142", "x", "cs7"]}
    assert is_whole(client)


def test_only_so_many_earlier_ones_are_kept(client: TestClient, stored: Stored) -> None:
    roll_nos = [f"S{number}" for number in range(MAX_FORMER + 3)]
    create(client, roll_nos[0])
    rename(client, *roll_nos)

    assert identities(stored) == {roll_nos[-1]: [roll_no.lower() for roll_no in roll_nos[:1:-1]]}
    assert is_whole(client)


def test_a_deleted_student_has_none_until_restored(client: TestClient, stored: Stored) -> None:
    create(client, "0142")
    client.delete("/students/0142")
    assert identities(stored) == {"0142": []}
    assert is_whole(client)

    client.post("/students/0142/restore")
    assert identities(stored) == {"0142": ["142"]}
    assert is_whole(client)


@pytest.mark.parametrize("wrong", [[], ["x"], ["x", "142"], ["142", "x", "142"], ["142", 5], "142", None])
def test_keys_of_another_roll_number_are_found(client: TestClient, stored: Stored, wrong: object) -> None:
    create(client, "0142")
    assert is_whole(client)

    stored.students.update_one({}, {"$set": {"keys.identities": wrong}})

    assert not is_whole(client)


def test_the_migration_fills_them(
    client: TestClient, stored: Stored, migrate: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(m0002_identities, "_BATCH", 2)
    for number in range(5):
        create(client, f"S00{number}")
    rename(client, "S000", "A1", "B1", "S0")
    rename(client, "S001", "T001")
    client.delete("/students/S002")
    create(client, "NEW")
    before = list(stored.students.find().sort("_id"))
    stored.students.update_many({"roll_no": {"$ne": "NEW"}}, {"$unset": {"keys.identities": 1}})

    migrate()

    assert list(stored.students.find().sort("_id")) == before
    assert is_whole(client)


def test_the_migration_fills_what_older_code_writes_meanwhile(
    client: TestClient, stored: Stored, migrate: Migrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1")
    create(client, "S2")
    without = {"$unset": {"keys.identities": 1}}
    stored.students.update_many({}, without)
    former_roll_nos = m0002_identities._former_roll_nos
    renames = iter([("S1", "T1")])

    async def read_history(students: Any) -> dict[Any, list[str]]:
        found = await former_roll_nos(students)
        for old, new in renames:
            rename(client, old, new)
            stored.students.update_one({"roll_no": new}, without)
        return found

    monkeypatch.setattr(m0002_identities, "_former_roll_nos", read_history)
    migrate()

    assert identities(stored) == {"T1": ["t1", "s1"], "S2": ["s2"]}


def test_similar_students_are_found(either: TestClient) -> None:
    create(either, "0142", "Asha Rao")
    create(either, "142.0", "Bo Li")
    create(either, "CS-1", "Di Em")
    rename(either, "CS-1", "CS-2")
    create(either, "cs-1", "Ed Fo")
    either.delete("/students/cs-1")

    found = similar(either, "142", "0142", "cs1", "CS-2", "999")

    assert {
        roll_no: sorted((one.roll_no, one.name, one.is_former) for one in ones) for roll_no, ones in found.items()
    } == {
        "142": [("0142", "Asha Rao", False), ("142.0", "Bo Li", False)],
        "0142": [("142.0", "Bo Li", False)],
        "cs1": [("CS-2", "Di Em", True)],
    }


def test_many_students_with_one_key_hide_no_other(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_MAX_FOUND", 30)
    many = [f"{'0' * zeros}{roll_no}" for zeros in range(1, 41) for roll_no in (1, 2)]
    others = [f"0{number}" for number in range(3, 20)]
    store(client, ({"roll_no": roll_no, "name": "A", "branch": "B", "marks": {}} for roll_no in [*many, *others]))

    found = similar(client, *map(str, range(1, 20)))

    assert {roll_no: len(ones) for roll_no, ones in found.items()} == {
        "1": MAX_SIMILAR,
        "2": MAX_SIMILAR,
        **{str(number): 1 for number in range(3, 20)},
    }


def test_similar_students_are_found_by_the_index(client: TestClient, stored: Stored) -> None:
    create(client, "0142")
    command = {"find": "students", "filter": {"keys.identities": {"$in": ["142", "143"]}}, "limit": 1000}

    explained = stored.command("explain", command, verbosity="queryPlanner")

    assert explained["queryPlanner"]["winningPlan"]["inputStage"]["inputStage"]["indexName"] == "by_identity"
