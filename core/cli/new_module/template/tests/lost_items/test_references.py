# with reference
"""Tests of lost items as records that belong to students."""

from typing import Any

from fastapi.testclient import TestClient

from tests.kit import caught_up, people, stored, students

URL = "/lost-items"
NEW: dict[str, Any] = {"code": "A1", "roll_no": "S001", "name": "The first lost item"}


def test_a_student_who_does_not_exist_is_refused(client: TestClient) -> None:
    refused = people.teacher(client).ask("POST", URL, NEW)

    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"], error["pointer"]) == ("unknown_reference", "#/roll_no")


def test_records_follow_their_student(client: TestClient) -> None:
    admin = people.admin(client)
    students.make(client)
    assert admin.ask("POST", URL, NEW).status_code == 201

    assert admin.ask("POST", "/students/S001/rename", {"roll_no": "S002"}).status_code == 200
    caught_up()
    assert [record["roll_no"] for record in admin.ask("GET", URL).json()] == ["S002"]

    assert admin.ask("DELETE", "/students/S002").status_code == 204
    caught_up()
    assert admin.ask("GET", f"{URL}/A1").status_code == 404
    assert admin.ask("GET", URL).json() == []

    assert admin.ask("DELETE", "/students/S002?purge=true").status_code == 204
    assert stored("lost_items") == []
