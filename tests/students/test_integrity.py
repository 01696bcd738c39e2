"""The data check of the students module: it finds nothing in intact data, and names each kind of damage."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.settings import Settings
from modules.students.records import integrity

Stored = Database[dict[str, Any]]


@pytest.fixture
def stored(settings: Settings) -> Any:
    """Return the database, to read and change it without the service."""
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        yield client[settings.mongodb_database]


@pytest.fixture
def school(client: TestClient) -> TestClient:
    """Store S1 with four versions, S2 with one, S3 deleted and S4 renamed, all of them with an entry in the feed."""
    for number in range(1, 5):
        body = {"roll_no": f"S{number}", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}
        assert client.post("/students", json=body).status_code == 201
    for mark in (1, 2, 3):
        assert client.put("/students/S1/marks/math", json={"mark": mark}).is_success
    assert client.delete("/students/S3").is_success
    assert client.post("/students/S4/rename", json={"roll_no": "S5"}).is_success
    assert client.get("/changes").is_success
    return client


def findings(client: TestClient) -> list[str]:
    async def collect() -> list[str]:
        return [finding async for finding in integrity.data_check()]

    assert client.portal
    return client.portal.call(collect)


@pytest.mark.parametrize("batch", [1, 3, 500])
def test_nothing_is_found_in_intact_data(school: TestClient, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "_BATCH", batch)
    assert findings(school) == []
    school.put("/students/S2/marks/math", json={"mark": 5})
    assert findings(school) == [], "a student without an entry in the feed yet is not damaged"


Damage = Callable[[Stored, dict[str, Any]], object]

DAMAGES: dict[str, tuple[Damage, str]] = {
    "no name": (lambda db, one: db.students.update_one(one, {"$unset": {"name": 1}}), "name: "),
    "a mark too high": (
        lambda db, one: db.students.update_one(one, {"$set": {"marks.math": 950}}),
        "marks.math: A mark",
    ),
    "not a number": (lambda db, one: db.students.update_one(one, {"$set": {"marks.math": "x"}}), "marks.math.int: "),
    "a line break in a branch": (lambda db, one: db.students.update_one(one, {"$set": {"branch": "a\nb"}}), "branch: "),
    "wrong index values": (
        lambda db, one: db.students.update_one(one, {"$set": {"keys.total": 1}}),
        "its index values do not match",
    ),
    "no index values": (
        lambda db, one: db.students.update_one(one, {"$unset": {"keys": 1}}),
        "its index values do not match",
    ),
    "no version": (
        lambda db, one: db.students.update_one(one, {"$unset": {"version": 1}}),
        "version: this field is missing",
    ),
    "a gap in the history": (
        lambda db, one: db.student_history.delete_one({"student": one["_id"], "version": 2}),
        "the history lacks version 2, but the student is at version 4",
    ),
    "no history": (
        lambda db, one: db.student_history.delete_many({"student": one["_id"]}),
        "the history lacks 3 versions between 1 and 3, but the student is at version 4",
    ),
    "a version too high": (
        lambda db, one: db.students.update_one(one, {"$set": {"version": 2}}),
        "the history contains version 3, but the student is at version 2",
    ),
    "a version too low": (
        lambda db, one: db.student_history.update_one({"student": one["_id"], "version": 1}, {"$set": {"version": 0}}),
        "the history contains version 0, but",
    ),
    "an invalid old version": (
        lambda db, one: db.student_history.update_one(
            {"student": one["_id"], "version": 1}, {"$unset": {"updated_by": 1}}
        ),
        "version 1: updated_by: ",
    ),
    "no entry in the feed": (
        lambda db, one: db.student_changes.delete_many({"student": one["_id"]}),
        "it has no entry in the feed of changes",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named(school: TestClient, stored: Stored, damage: str) -> None:
    student = stored.students.find_one({"roll_no": "S1"}, {"_id": 1})
    assert student
    inflict, sentence = DAMAGES[damage]
    inflict(stored, student)
    found = findings(school)
    assert found, damage
    assert all(f"The student 'S1' ({student['_id']}): " in finding for finding in found)
    assert sentence in " ".join(found)


def test_a_duplicate_version_is_named_when_the_index_is_missing(school: TestClient, stored: Stored) -> None:
    stored.student_history.drop_index("version_unique")
    try:
        copy = stored.student_history.find_one({"version": 1}, {"_id": 0})
        assert copy
        stored.student_history.insert_one(copy)
        (found,) = findings(school)
        assert "the history contains a duplicate version" in found
    finally:
        stored.student_history.delete_many({})
        stored.student_history.create_index([("student", 1), ("version", 1)], name="version_unique", unique=True)


def test_documents_of_unknown_students_are_named(school: TestClient, stored: Stored) -> None:
    lost, erased = ObjectId(), ObjectId()
    stored.student_erasures.insert_one({"_id": erased})
    stored.student_changes.insert_many([{"_id": 1000, "student": lost}, {"_id": 1001, "student": erased}])
    stored.student_history.insert_many([{"student": lost, "version": 1}, {"student": erased, "version": 1}])
    assert sorted(findings(school)) == sorted(
        [
            f"The history contains versions of a student who does not exist: {lost}.",
            f"The history contains versions of a student who does not exist: {erased}.",
            f"The feed of changes has an entry for a student who neither exists nor was erased: {lost}.",
        ]
    )


def test_a_history_copy_that_a_dead_writer_left_is_not_reported(school: TestClient, stored: Stored) -> None:
    student = stored.students.find_one({"roll_no": "S2"})
    assert student
    kept = {name: value for name, value in student.items() if name not in ("_id", "keys", "unsequenced", "erasing")}
    stored.student_history.insert_one({**kept, "student": student["_id"]})
    assert findings(school) == []


def test_a_change_during_the_check_is_not_reported(
    school: TestClient, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspects = integrity._suspects
    student = stored.students.find_one({"roll_no": "S2"}, {"_id": 1})
    assert student
    stored.students.update_one(student, {"$set": {"keys.total": 1}})

    async def repair_meanwhile(batch: Any) -> list[ObjectId]:
        found = await suspects(batch)
        assert found == [student["_id"]]
        stored.students.update_one(student, {"$set": {"keys.total": 9100}})
        return found

    monkeypatch.setattr(integrity, "_suspects", repair_meanwhile)
    assert findings(school) == []
