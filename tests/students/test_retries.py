"""Requests that write students and are sent again with the same `Idempotency-Key`."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

Json = dict[str, Any]
STUDENT = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}


def post(client: TestClient, path: str, body: Json | None = None, key: str = "once", **headers: str) -> Response:
    return client.post(path, json=body, headers={"Idempotency-Key": key, **headers})


def same(first: Response, again: Response) -> bool:
    """Return whether two responses have the same status, body, URL of the student and entity tag."""
    headers = [[answer.headers.get(name) for name in ("Location", "ETag", "Content-Type")] for answer in (first, again)]
    return (first.status_code, first.content, headers[0]) == (again.status_code, again.content, headers[1])


def versions(client: TestClient, roll_no: str) -> list[str]:
    """Return the actions of a student's versions, from the first one."""
    return [one["action"] for one in reversed(client.get(f"/students/{roll_no}/history").json())]


def test_a_student_is_created_once(either: TestClient) -> None:
    first, again = (post(either, "/students", STUDENT) for _ in range(2))

    assert first.status_code == 201
    assert first.headers["Location"] == "/students/S1"
    assert same(first, again)
    assert post(either, "/students", STUDENT, key="another").status_code == 409
    assert versions(either, "S1") == ["created"]


def test_the_first_response_is_repeated_after_the_student_has_changed(client: TestClient) -> None:
    first = post(client, "/students", STUDENT)
    assert client.delete("/students/S1").status_code == 204

    assert same(first, post(client, "/students", STUDENT))
    assert client.get("/students/S1").status_code == 404


def test_a_student_is_renamed_once_also_with_if_match(either: TestClient) -> None:
    tag = post(either, "/students", STUDENT).headers["ETag"]

    first, again = (
        post(either, "/students/S1/rename", {"roll_no": "S2"}, key="rename", **{"If-Match": tag}) for _ in range(2)
    )

    assert (first.status_code, first.headers["Location"]) == (200, "/students/S2")
    assert same(first, again)
    assert versions(either, "S2") == ["created", "renamed"]


def test_a_version_is_restored_once(client: TestClient) -> None:
    post(client, "/students", STUDENT)
    client.patch("/students/S1", json={"branch": "Art"})
    first = post(client, "/students/S1/restore?version=1", key="restore")
    client.patch("/students/S1", json={"branch": "Music"})

    assert same(first, post(client, "/students/S1/restore?version=1", key="restore"))
    assert client.get("/students/S1").json()["branch"] == "Music"
    assert post(client, "/students/S1/restore?version=2", key="restore").json()["type"] == "/problems/key-reused"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/students", STUDENT, 409),
        ("/students/S404/rename", {"roll_no": "S2"}, 404),
        ("/students/S1/restore", None, 409),
    ],
)
def test_a_refusal_is_repeated(client: TestClient, path: str, body: Json | None, status: int) -> None:
    post(client, "/students", STUDENT, key="create")
    first = post(client, path, body)
    post(client, "/students", STUDENT | {"roll_no": "S404"}, key="create another")
    client.delete("/students/S1")

    again = post(client, path, body)

    assert first.status_code == status
    assert same(first, again)


def test_the_same_key_for_another_student_is_refused(client: TestClient) -> None:
    post(client, "/students", STUDENT)

    answer = post(client, "/students", STUDENT | {"roll_no": "S2"})

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/key-reused")
    assert client.get("/students/S2").status_code == 404
