"""Unusual requests, sent by attackers or by mistake: each gets a complete response, and has no unintended effect."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.students.listing import pages
from tests.direct_client import DirectClient


def create(client: TestClient, roll_no: str, **changes: Any) -> None:
    body = {"roll_no": roll_no, "name": "n", "branch": "b"} | changes
    assert client.post("/students", json=body).status_code == 201


def test_lists_are_correct_with_more_sets_of_subjects_than_fit_into_a_query(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_SETS_BYTES", 20)
    for number in range(5):
        create(client, roll_no=f"S{number}", marks={f"a rather long subject {number}": 1})
    create(client, roll_no="T", marks={})

    assert [student["roll_no"] for student in client.get("/students?missing=math").json()][-1] == "T"
    first = client.get("/students?missing=a rather long subject 1&missing=a rather long subject 2")
    assert [student["roll_no"] for student in first.json()] == ["S0", "S3", "S4", "T"]
    by_marks = client.get("/students?sort=-marks.a rather long subject 1")
    assert [student["roll_no"] for student in by_marks.json()] == ["S1", "S0", "S2", "S3", "S4", "T"]


@pytest.mark.parametrize("blank", ["%20", "%0B", "%0A", "%C2%A0", "%E2%80%83", "%E2%80%A8"])
def test_links_work_with_blanks_around_a_roll_number(client: TestClient, blank: str) -> None:
    create(client, roll_no="S1")
    client.patch("/students/S1", json={"name": "Other"})

    answer = client.get(f"/students/S1{blank}/history?limit=1")

    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert client.get(answer.links["next"]["url"]).json()[0]["version"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/students/S1/restore?versoin=1"), ("GET", "/changes?sinse=x"), ("DELETE", "/students/S1?purged=true")],
)
def test_a_request_with_a_mistyped_parameter_changes_nothing(client: TestClient, method: str, path: str) -> None:
    create(client, roll_no="S1")

    answer = client.request(method, path)

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [path.partition("?")[2].partition("=")[0]]
    assert client.get("/students/S1").status_code == 200


@pytest.mark.parametrize("prefix", ["/api", "/students-api", "/a/students"])
def test_the_location_of_a_new_student_has_the_prefix_of_the_proxy(client: DirectClient, prefix: str) -> None:
    client.asgi.root_path = prefix

    created = client.post(f"{prefix}/students", json={"roll_no": "S1", "name": "n", "branch": "b"})

    assert created.headers["location"] == f"{prefix}/students/S1"
    assert client.get(created.headers["location"]).status_code == 200
