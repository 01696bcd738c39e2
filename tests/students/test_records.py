"""Creating, reading, replacing and deleting students, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

ASHA = {"roll_no": "S101", "name": "Asha Rao", "branch": "Computer Science", "marks": {"math": 91, "physics": 78.5}}


def create(client: TestClient, **changes: Any) -> None:
    assert client.post("/students", json=ASHA | changes).status_code == 201


def test_a_creation_returns_the_student_as_it_is_stored(either: TestClient) -> None:
    created = either.post("/students", json=ASHA)

    assert created.status_code == 201
    assert created.headers["location"] == "/students/S101"
    assert created.json().keys() == ASHA.keys() | {"created_at", "updated_at"}
    assert created.json().items() >= ASHA.items()
    read = either.get(created.headers["location"])
    assert read.status_code == 200
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"]


def test_whole_marks_stay_whole_and_fractions_stay_fractions(either: TestClient) -> None:
    answer = either.post(
        "/students",
        content=b'{"roll_no":"1","name":"n","branch":"b","marks":{"a":85,"b":85.0,"c":0.1}}',
        headers={"Content-Type": "application/json"},
    )

    assert '"marks":{"a":85,"b":85.0,"c":0.1}' in answer.text
    assert '"marks":{"a":85,"b":85.0,"c":0.1}' in either.get("/students/1").text


def test_a_student_may_have_no_marks_yet(client: TestClient) -> None:
    body = {name: value for name, value in ASHA.items() if name != "marks"}

    assert client.post("/students", json=body).json()["marks"] == {}


def test_a_taken_roll_number_is_a_conflict_that_changes_nothing(either: TestClient) -> None:
    create(either)

    answer = either.post("/students", json=ASHA | {"name": "Someone Else"})

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/roll-no-taken"
    assert answer.json()["errors"][0]["pointer"] == "#/roll_no"
    assert either.get("/students/S101").json()["name"] == "Asha Rao"


@pytest.mark.parametrize("roll_no", ["import", "a.b", "..a", "-", "x" * 64])
def test_any_well_formed_roll_number_can_be_addressed(client: TestClient, roll_no: str) -> None:
    create(client, roll_no=roll_no)

    assert client.get(f"/students/{roll_no}").json()["roll_no"] == roll_no


def test_put_replaces_the_whole_record(either: TestClient) -> None:
    create(either)
    before = either.get("/students/S101")

    replaced = either.put("/students/S101", json={"name": "Asha R.", "branch": "Physics", "marks": {"art": 60}})

    assert replaced.status_code == 200
    assert replaced.json()["marks"] == {"art": 60}
    assert replaced.json()["created_at"] == before.json()["created_at"]
    assert replaced.json()["updated_at"] >= before.json()["updated_at"]
    assert replaced.headers["etag"] != before.headers["etag"]
    assert either.get("/students/S101").json() == replaced.json()
    assert either.get("/students/S101").headers["etag"] == replaced.headers["etag"]


def test_put_accepts_the_same_roll_number_and_refuses_another(client: TestClient) -> None:
    create(client)

    assert client.put("/students/S101", json=ASHA).status_code == 200
    refused = client.put("/students/S101", json=ASHA | {"roll_no": "S102"})

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-roll-no")
    assert refused.json()["errors"][0]["pointer"] == "#/roll_no"
    assert client.get("/students/S102").status_code == 404


def test_what_was_read_can_be_changed_and_sent_back(client: TestClient) -> None:
    create(client)
    (listed,) = client.get("/students?fields=roll_no,name,branch,marks,created_at,updated_at,etag").json()
    values: list[Any] = [None, 5, "#REF!", [{}]]
    read_only = [client.get("/students/S101").json(), listed]
    read_only += [dict.fromkeys(("created_at", "updated_at", "etag"), value) for value in values]

    for number, sent in enumerate(read_only):
        body = ASHA | sent | {"name": f"Name {number}"}
        made = client.post("/students", json=body | {"roll_no": f"N{number}"})
        replaced = client.put("/students/S101", json=body)
        patched = client.patch("/students/S101", json=sent | {"branch": f"Branch {number}"})
        answers = (made, replaced, patched, client.get("/students/S101"))
        assert [answer.status_code for answer in answers] == [201, 200, 200, 200], sent
        assert made.json()["created_at"] != listed["created_at"] == patched.json()["created_at"]
        assert answers[-1].json() == patched.json()
        assert (replaced.json()["name"], patched.json()["branch"]) == (f"Name {number}", f"Branch {number}")
    assert client.get("/students/S101/history").json()[0]["version"] == 1 + 2 * len(read_only)


def test_a_deleted_student_is_not_found_and_its_etag_is_not_reused(either: TestClient) -> None:
    create(either)
    tag = either.get("/students/S101").headers["etag"]

    deleted = either.delete("/students/S101")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert either.get("/students/S101").status_code == 404
    create(either)
    assert either.get("/students/S101").headers["etag"] != tag


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_absent_student_is_not_found(client: TestClient, method: str) -> None:
    body = {"name": "n", "branch": "b"} if method == "PUT" else None

    answer = client.request(method, "/students/S999", json=body)

    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/student-not-found"
    assert client.get("/students").json() == []


def test_a_list_is_in_order_of_roll_number(either: TestClient) -> None:
    for roll_no in ("b", "a", "C", "10", "9"):
        create(either, roll_no=roll_no)

    answer = either.get("/students")

    assert [student["roll_no"] for student in answer.json()] == ["10", "9", "C", "a", "b"]
    assert "link" not in answer.headers


@pytest.mark.parametrize(("limit", "pages"), [(3, 3), (7, 1)])
def test_the_pages_of_a_list_hold_every_student_once(client: TestClient, limit: int, pages: int) -> None:
    roll_numbers = [f"S{number}" for number in range(7)]
    for roll_no in roll_numbers:
        create(client, roll_no=roll_no)

    seen, answers = [], 0
    address: str | None = f"/students?limit={limit}"
    while address:
        answer = client.get(address)
        seen += [student["roll_no"] for student in answer.json()]
        answers += 1
        address = answer.links["next"]["url"] if "next" in answer.links else None

    assert seen == roll_numbers
    assert answers == pages


def test_a_page_has_a_hundred_students_by_default(client: TestClient) -> None:
    for number in range(101):
        create(client, roll_no=f"S{number:03}")

    answer = client.get("/students")

    assert len(answer.json()) == 100
    assert len(client.get(answer.links["next"]["url"]).json()) == 1


def test_paging_is_stable_while_students_are_created_and_deleted(either: TestClient) -> None:
    for roll_no in "bdfh":
        create(either, roll_no=roll_no)

    first = either.get("/students?limit=2")
    either.delete("/students/d")  # the student that the cursor points to
    create(either, roll_no="a")
    second = either.get(first.links["next"]["url"])

    assert [student["roll_no"] for student in second.json()] == ["f", "h"]


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "limt=5"])
def test_a_wrong_query_parameter_is_named(client: TestClient, query: str) -> None:
    answer = client.get(f"/students?{query}")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.partition("=")[0]]
