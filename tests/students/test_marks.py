"""Single marks, each at a URL of its own."""

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.conftest import AppClient, sign_in

ASHA: dict[str, Any] = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91, "art": 60.5}}


@pytest.fixture
def client(client: TestClient) -> TestClient:
    assert client.post("/students", json=ASHA).status_code == 201
    return client


@pytest.fixture
def either(either: TestClient) -> TestClient:
    """Return a client like `client`, once on the real mongod and once in memory."""
    assert either.post("/students", json=ASHA).status_code == 201
    return either


def marks(client: TestClient) -> dict[str, float]:
    found: dict[str, float] = client.get("/students/S1").json()["marks"]
    return found


def versions(client: TestClient) -> list[int]:
    return [one["version"] for one in client.get("/students/S1/history").json()]


def test_a_mark_is_added_and_changed(either: TestClient) -> None:
    added = either.put("/students/S1/marks/pe", json={"mark": 72.5})
    changed = either.put("/students/S1/marks/math", json={"mark": 0})

    assert (added.status_code, changed.status_code) == (200, 200)
    assert added.json()["marks"] == {"math": 91, "art": 60.5, "pe": 72.5}
    assert changed.json() == either.get("/students/S1").json()
    assert marks(either) == {"math": 0, "art": 60.5, "pe": 72.5}
    assert versions(either) == [3, 2, 1]


def test_a_mark_is_deleted(either: TestClient) -> None:
    answer = either.delete("/students/S1/marks/math")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"] == either.get("/students/S1").headers["etag"]
    assert marks(either) == {"art": 60.5}
    assert versions(either) == [2, 1]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_mark_of_an_absent_or_deleted_student_is_not_found(client: TestClient, method: str) -> None:
    client.delete("/students/S1")

    for roll_no in ("S1", "S2"):
        answer = client.request(method, f"/students/{roll_no}/marks/math", json={"mark": 1})
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/student-not-found"
    assert versions(client) == [2, 1]


def test_an_absent_mark_cannot_be_deleted(client: TestClient) -> None:
    for subject in ("pe", "Maths", "math/", "marks"):
        answer = client.delete(f"/students/S1/marks/{subject}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/mark-not-found"
        assert subject in answer.json()["detail"]

    assert versions(client) == [1]


SUBJECTS = [
    "Art / Design",
    "a/b",
    "a//b",
    "/",
    "/a/",
    "history",
    "rename",
    "marks/x",
    "100%",
    "a?b",
    "a#b",
    "a&b=c",
]
SUBJECTS += ["Français", "हिन्दी", "C++", "a;b", "x" * 64, 'say "hi"', "a\\b", "a$", "~", "-"]


def test_any_subject_can_be_addressed(client: TestClient) -> None:
    for number, subject in enumerate(SUBJECTS):
        answer = client.put(f"/students/S1/marks/{quote(subject, safe='')}", json={"mark": number})
        assert answer.status_code == 200, (subject, answer.text)
    assert marks(client) == ASHA["marks"] | {subject: number for number, subject in enumerate(SUBJECTS)}

    for subject in SUBJECTS:
        assert client.delete(f"/students/S1/marks/{quote(subject, safe='')}").status_code == 204, subject
    assert marks(client) == ASHA["marks"]


def test_a_slash_need_not_be_encoded_and_surrounding_spaces_are_ignored(client: TestClient) -> None:
    client.put("/students/S1/marks/Art / Design", json={"mark": 1})
    client.put("/students/S1/marks/%20Art%20%2F%20Design%20", json={"mark": 2})
    client.put("/students/S1/marks/Cafe%CC%81", json={"mark": 3})

    assert marks(client) == {**ASHA["marks"], "Art / Design": 2, "Café": 3}
    assert client.delete("/students/S1/marks/%20math%20").status_code == 204
    assert client.delete("/students/S1/marks/Caf%C3%A9").status_code == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_invalid_subject_is_named(client: TestClient, method: str) -> None:
    for subject in ("a.b", "$a", "%24set", "a%00", "%20", "x" * 65, "%E2%80%AE"):
        answer = client.request(method, f"/students/S1/marks/{subject}", json={"mark": 1})
        assert answer.status_code == 422, subject
        assert [error["parameter"] for error in answer.json()["errors"]] == ["subject"]

    assert (marks(client), versions(client)) == (ASHA["marks"], [1])


WRONG = ["101", "-1", "1.005", "1e999", "NaN", "true", '"85"', "null", "[]", "{}", str(2**63), str(10**400)]


def test_an_invalid_mark_is_named(client: TestClient) -> None:
    bodies = [(f'{{"mark":{value}}}', "#/mark") for value in WRONG]
    bodies += [("{}", "#/mark"), ('{"mark":1,"x":2}', "#/x"), ("85", "#"), ('{"math":1,"mark":1}', "#/math")]

    for body, pointer in bodies:
        headers = {"Content-Type": "application/json"}
        answer = client.put("/students/S1/marks/math", content=body.encode(), headers=headers)
        assert answer.status_code == 422, body
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer], body

    assert (marks(client), versions(client)) == (ASHA["marks"], [1])


def test_the_highest_mark_is_a_setting(open_client: AppClient) -> None:
    client = sign_in(open_client(marks_max=20))
    client.post("/students", json=ASHA | {"marks": {}})

    assert client.put("/students/S1/marks/math", json={"mark": 20}).status_code == 200
    answer = client.put("/students/S1/marks/math", json={"mark": 20.01})

    (error,) = answer.json()["errors"]
    assert (error["pointer"], "20" in error["detail"]) == ("#/mark", True)


def test_a_student_has_at_most_a_hundred_subjects(client: TestClient) -> None:
    client.put("/students/S1", json={"name": "n", "branch": "b", "marks": {f"s{number}": 1 for number in range(100)}})

    refused = client.put("/students/S1/marks/one more", json={"mark": 1})

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/marks"]
    assert client.put("/students/S1/marks/s0", json={"mark": 2}).status_code == 200
    assert len(marks(client)) == 100
    assert versions(client) == [3, 2, 1]
