"""Renaming: another roll number for the same student."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.identity import Role
from core.settings import Settings
from tests.auth import people

ASHA: dict[str, Any] = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}


@pytest.fixture
def client(client: TestClient) -> TestClient:
    create(client)
    return client


@pytest.fixture
def either(either: TestClient) -> TestClient:
    """Return a client like `client`, once on the real mongod and once in memory."""
    create(either)
    return either


def create(client: TestClient, roll_no: str = "S1", **changes: Any) -> None:
    assert client.post("/students", json=ASHA | {"roll_no": roll_no} | changes).status_code == 201


def rename(client: TestClient, new: object, old: str = "S1") -> Any:
    return client.post(f"/students/{old}/rename", json={"roll_no": new})


def history(client: TestClient, roll_no: str) -> list[tuple[int, str]]:
    return [(one["version"], one["action"]) for one in client.get(f"/students/{roll_no}/history").json()]


def test_a_renamed_student_has_a_new_url(either: TestClient) -> None:
    before = either.get("/students/S1").json()

    answer = rename(either, " S2 ")

    assert answer.status_code == 200
    assert answer.headers["location"] == "/students/S2"
    assert answer.json() == before | {"roll_no": "S2", "updated_at": answer.json()["updated_at"]}
    read = either.get("/students/S2")
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    assert either.get("/students/S1").status_code == 404
    assert either.get("/students/S1/history").status_code == 404
    assert [student["roll_no"] for student in either.get("/students").json()] == ["S2"]


def test_a_renamed_student_is_found_by_the_new_number_only(client: TestClient) -> None:
    rename(client, "T9")

    assert [student["roll_no"] for student in client.get("/students?q=t9").json()] == ["T9"]
    assert client.get("/students?q=s1").json() == []


def test_the_history_moves_with_the_student(either: TestClient) -> None:
    either.patch("/students/S1", json={"name": "Asha R."})

    rename(either, "S2")
    either.patch("/students/S2", json={"name": "Asha"})

    assert history(either, "S2") == [(4, "updated"), (3, "renamed"), (2, "updated"), (1, "created")]
    changes = either.get("/students/S2/history").json()[1]["changes"]
    assert changes == [{"field": "roll_no", "from": "S1", "to": "S2"}]
    old = either.get("/students/S2/history/2").json()["student"]
    assert (old["roll_no"], old["name"]) == ("S1", "Asha R.")


def test_the_old_number_is_free_for_a_student_with_a_history_of_its_own(client: TestClient) -> None:
    rename(client, "S2")

    create(client, "S1", name="Someone Else")
    client.delete("/students/S1")

    assert history(client, "S1") == [(2, "deleted"), (1, "created")]
    assert history(client, "S2") == [(2, "renamed"), (1, "created")]
    assert client.get("/students/S1/history/1").json()["student"]["name"] == "Someone Else"
    assert client.get("/students/S2/history/1").json()["student"]["name"] == "Asha Rao"
    assert client.get("/students/S2").json()["name"] == "Asha Rao"


def test_two_students_can_swap_their_numbers(client: TestClient) -> None:
    create(client, "S2", name="Other")

    for old, new in (("S1", "tmp"), ("S2", "S1"), ("tmp", "S2")):
        assert rename(client, new, old).status_code == 200

    assert client.get("/students/S1").json()["name"] == "Other"
    assert client.get("/students/S2").json()["name"] == "Asha Rao"
    assert history(client, "S2") == [(3, "renamed"), (2, "renamed"), (1, "created")]


def test_an_earlier_version_is_restored_under_the_new_number(client: TestClient) -> None:
    client.patch("/students/S1", json={"name": "Asha R."})
    rename(client, "S2")

    answer = client.post("/students/S2/restore?version=1")

    assert (answer.status_code, answer.json()["roll_no"], answer.json()["name"]) == (200, "S2", "Asha Rao")
    assert client.get("/students/S1").status_code == 404


def test_a_taken_number_is_a_conflict_that_changes_nothing(either: TestClient) -> None:
    create(either, "S2", name="Other")
    tag = either.get("/students/S1").headers["etag"]

    answer = rename(either, "S2")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/roll-no-taken"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/roll_no"]
    assert either.get("/students/S1").headers["etag"] == tag
    assert history(either, "S1") == [(1, "created")]
    assert history(either, "S2") == [(1, "created")]
    assert either.patch("/students/S1", json={"name": "Next"}).status_code == 200
    assert history(either, "S1") == [(2, "updated"), (1, "created")]


def test_the_number_of_a_deleted_student_is_free(client: TestClient, settings: Settings) -> None:
    create(client, "S2", name="Other")
    client.delete("/students/S2")

    assert rename(client, "S2").status_code == 200

    assert client.get("/students/S2").json()["name"] == "Asha Rao"
    assert history(client, "S2") == [(2, "renamed"), (1, "created")]
    admin = people.make(client, settings, "principal", Role.ADMIN)
    assert [one["name"] for one in admin.ask("GET", "/students/S2/former").json()] == ["Other"]


def test_the_number_of_an_erased_student_is_free(client: TestClient, settings: Settings) -> None:
    create(client, "S2")
    admin = people.make(client, settings, "principal", Role.ADMIN)
    assert admin.ask("DELETE", "/students/S2?purge=true").status_code == 204

    assert rename(client, "S2").status_code == 200
    assert history(client, "S2") == [(2, "renamed"), (1, "created")]


def test_renaming_to_the_same_number_makes_no_version(client: TestClient) -> None:
    before = client.get("/students/S1")

    answer = rename(client, "S1")

    assert (answer.status_code, answer.headers["location"]) == (200, "/students/S1")
    assert (answer.json(), answer.headers["etag"]) == (before.json(), before.headers["etag"])
    assert history(client, "S1") == [(1, "created")]


def test_a_wrong_number_is_named(client: TestClient) -> None:
    for wrong in ("", " ", "a b", "a/b", "é", ".", "..", "x" * 65, 5, None):
        answer = rename(client, wrong)
        assert answer.status_code == 422, wrong
        assert [error["pointer"] for error in answer.json()["errors"]] == ["#/roll_no"]
    unknown = client.post("/students/S1/rename", json={"roll_no": "S2", "name": "X"})

    assert [error["pointer"] for error in unknown.json()["errors"]] == ["#/name"]
    assert client.post("/students/S1/rename", json={}).status_code == 422
    assert history(client, "S1") == [(1, "created")]


def test_an_absent_or_deleted_student_cannot_be_renamed(client: TestClient) -> None:
    client.delete("/students/S1")

    assert rename(client, "S2").status_code == 404
    assert rename(client, "S2", "S9").status_code == 404
    assert history(client, "S1") == [(2, "deleted"), (1, "created")]
