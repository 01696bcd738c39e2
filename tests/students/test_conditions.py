"""Entity tags and conditional requests, on every route of a single student."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.conftest import AppClient, sign_in

ASHA: dict[str, Any] = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}
OTHER = '"someone-elses"'

Write = tuple[str, str, Any]
"""A method, a path with `*` for the student, and a body."""

# Every way to change an existing student.
WRITES: list[Write] = [
    ("PUT", "/students/*", {"name": "n", "branch": "b"}),
    ("PATCH", "/students/*", {"name": "m"}),
    ("PUT", "/students/*/marks/math", {"mark": 5}),
    ("DELETE", "/students/*/marks/math", None),
    ("POST", "/students/*/restore?version=1", None),
    ("DELETE", "/students/*", None),
    ("POST", "/students/*/rename", {"roll_no": "new"}),
]
PUT = WRITES[0]

# Writes that leave an existing student unchanged.
NO_CHANGES: list[Write] = [
    ("PUT", "/students/*", {name: value for name, value in ASHA.items() if name != "roll_no"}),
    ("PATCH", "/students/*", {"name": "Asha Rao", "marks": {"math": 91, "art": None}}),
    ("PATCH", "/students/*", {}),
    ("PUT", "/students/*/marks/math", {"mark": 91}),
]


def create(client: TestClient, roll_no: str = "S1") -> str:
    """Create a student. Return the ETag."""
    answer = client.post("/students", json=ASHA | {"roll_no": roll_no})
    assert answer.status_code == 201
    return str(answer.headers["etag"])


def ask(client: TestClient, write: Write, roll_no: str = "S1", **headers: str) -> Response:
    """Send a write of one student, with headers such as `if_match`."""
    method, path, body = write
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.request(method, path.replace("*", roll_no), json=body, headers=sent)


def versions(client: TestClient, roll_no: str = "S1") -> list[int]:
    return [one["version"] for one in client.get(f"/students/{roll_no}/history").json()]


def test_every_response_of_one_student_has_the_current_etag(either: TestClient) -> None:
    tags = [create(either)]
    writes: list[Write] = [
        *[write for write in WRITES if write[1] != "/students/*" or write[0] != "DELETE"],
        ("POST", "/students/new/rename", {"roll_no": "S1"}),
    ]

    for write in writes:
        answer = ask(either, write)
        assert answer.is_success, answer.text
        tags.append(answer.headers["etag"])
        now = either.get("/students/new" if write[1] == "/students/*/rename" else "/students/S1")
        assert now.headers["etag"] == tags[-1]

    assert len(set(tags)) == len(writes) + 1
    assert all(len(tag) > 10 and tag[0] == tag[-1] == '"' for tag in tags)
    numbers = range(1, len(tags) + 1)
    assert [either.get(f"/students/S1/history/{number}").headers["etag"] for number in numbers] == tags


def test_an_etag_is_not_reused_after_a_deletion_or_for_a_new_student_with_the_number(client: TestClient) -> None:
    tags = [create(client)]

    for method, path in [("DELETE", ""), ("POST", "/restore"), ("DELETE", "")]:
        client.request(method, f"/students/S1{path}")
    tags += [client.get(f"/students/S1/history/{number}").headers["etag"] for number in (2, 3, 4)]
    tags.append(create(client))

    assert len(set(tags)) == 5


@pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {}', '"x",W/{} , "y"', '"{bare}-gzip"', "*"])
def test_a_read_with_the_current_etag_in_if_none_match_is_304(client: TestClient, known: str) -> None:
    tag = create(client)

    answer = client.get("/students/S1", headers={"If-None-Match": known.format(tag, bare=tag[1:-1])})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == tag
    assert "content-type" not in answer.headers


@pytest.mark.parametrize("known", [OTHER, f'W/{OTHER}, "x"'])
def test_a_read_with_another_etag_in_if_none_match_returns_the_record(client: TestClient, known: str) -> None:
    tag = create(client)

    answer = client.get("/students/S1", headers={"If-None-Match": known})

    assert answer.status_code == 200
    assert answer.headers["etag"] == tag
    assert answer.json()["name"] == "Asha Rao"


def test_several_headers_with_one_name_are_one_list(client: TestClient) -> None:
    tag = create(client)

    answer = client.get("/students/S1", headers=[("If-None-Match", OTHER), ("If-None-Match", tag)])

    assert answer.status_code == 304


@pytest.mark.parametrize("expected", ["{}", '"x", {}', "W/{0}, {0}", "*"])
def test_a_write_with_the_current_etag_in_if_match_is_done(client: TestClient, expected: str) -> None:
    for number, write in enumerate(WRITES):
        create(client, str(number))
        tag = client.patch(f"/students/{number}", json={"branch": "Art"}).headers["etag"]

        answer = ask(client, write, str(number), if_match=expected.format(tag))

        assert answer.is_success, answer.text
        assert versions(client, "new" if "rename" in write[1] else str(number)) == [3, 2, 1]


@pytest.mark.parametrize("expected", [OTHER, "{old}", "W/{old}", "W/{current}", "{old}, W/{current}", '"{bare}-gzip"'])
def test_a_write_with_another_etag_in_if_match_is_412_and_changes_nothing(client: TestClient, expected: str) -> None:
    old = create(client)
    current = client.patch("/students/S1", json={"branch": "Art"}).headers["etag"]
    before = client.get("/students/S1").json()

    for write in WRITES:
        answer = ask(client, write, if_match=expected.format(current=current, old=old, bare=current[1:-1]))

        assert answer.status_code == 412, write
        assert answer.json()["type"] == "/problems/precondition-failed"
        assert (current in answer.json()["detail"]) == ("current" in expected or "bare" in expected)
        assert answer.headers["etag"] == current
        now = client.get("/students/S1")
        assert (now.json(), now.headers["etag"]) == (before, current)
        assert versions(client) == [2, 1]
    assert client.get("/students/new/history").status_code == 404


def test_if_match_works_for_a_deleted_student(either: TestClient) -> None:
    created = create(either)
    either.delete("/students/S1")
    deleted = either.get("/students/S1/history/2").headers["etag"]

    refused = either.post("/students/S1/restore", headers={"If-Match": created})
    restored = either.post("/students/S1/restore", headers={"If-Match": deleted})

    assert (refused.status_code, refused.headers["etag"]) == (412, deleted)
    assert restored.status_code == 200
    assert versions(either) == [3, 2, 1]


@pytest.mark.parametrize("header", ["abc", '"a', '*, "a"', "", 'w/"a"'])
def test_a_malformed_condition_is_named(client: TestClient, header: str) -> None:
    create(client)

    for write in WRITES:
        answer = ask(client, write, if_match=header)
        assert answer.status_code == 422, write
        assert [error["parameter"] for error in answer.json()["errors"]] == ["If-Match"]
    for write in (("GET", "/students/*", None), PUT):
        answer = ask(client, write, if_none_match=header)
        assert answer.status_code == 422, write
        assert [error["parameter"] for error in answer.json()["errors"]] == ["If-None-Match"]
    assert versions(client) == [1]


@pytest.mark.parametrize("condition", [OTHER, "*"])
def test_an_absent_student_is_404_with_any_if_match(client: TestClient, condition: str) -> None:
    create(client, "deleted")
    client.delete("/students/deleted")

    for write in WRITES:
        assert ask(client, write, "S1", if_match=condition).status_code == 404, write
        if "restore" not in write[1]:
            assert ask(client, write, "deleted", if_match=condition).status_code == 404, write

    assert client.get("/students").json() == []
    assert versions(client, "deleted") == [2, 1]


def test_put_with_if_none_match_creates_a_student(either: TestClient) -> None:
    answer = ask(either, PUT, if_none_match="*")

    assert answer.status_code == 201
    assert answer.headers["location"] == "/students/S1"
    assert answer.json()["marks"] == {}
    read = either.get("/students/S1")
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    assert versions(either) == [1]


def test_put_with_if_none_match_gives_the_number_of_a_deleted_student_again(either: TestClient) -> None:
    create(either)
    either.delete("/students/S1")

    answer = ask(either, PUT, if_none_match="*")

    assert answer.status_code == 201
    assert either.get("/students/S1").json()["name"] == "n"
    assert versions(either) == [1]


def test_put_with_if_none_match_does_not_replace_a_student(either: TestClient) -> None:
    tag = create(either)

    answer = ask(either, PUT, if_none_match="*")

    assert (answer.status_code, answer.headers["etag"]) == (412, tag)
    assert either.get("/students/S1").json()["name"] == "Asha Rao"
    assert versions(either) == [1]


def test_put_creates_no_student_with_another_roll_number(client: TestClient) -> None:
    answer = ask(client, ("PUT", "/students/S9", ASHA), if_none_match="*")

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "#/roll_no"
    assert client.get("/students").json() == []


def test_put_with_the_current_etag_in_if_none_match_is_412(client: TestClient) -> None:
    tag = create(client)

    assert ask(client, PUT, if_none_match=f"W/{tag}").status_code == 412
    assert ask(client, PUT, if_none_match=OTHER).status_code == 200
    assert versions(client) == [2, 1]


def test_a_write_that_changes_nothing_makes_no_version(client: TestClient) -> None:
    tag = create(client)
    before = client.get("/students/S1").json()

    for write in [*NO_CHANGES, ("POST", "/students/*/rename", {"roll_no": "S1"})]:
        for headers in ({}, {"if_match": tag}):
            answer = ask(client, write, **headers)
            assert answer.status_code == 200, answer.text
            assert (answer.json(), answer.headers["etag"]) == (before, tag)
        assert ask(client, write, if_match=OTHER).status_code == 412

    assert versions(client) == [1]


def test_a_setting_makes_if_match_required(open_client: AppClient) -> None:
    client = sign_in(open_client(require_if_match=True))

    for number, write in enumerate(WRITES):
        tag = create(client, str(number))

        refused = ask(client, write, str(number))

        assert refused.status_code == 428, write
        assert refused.json()["type"] == "/problems/precondition-required"
        assert versions(client, str(number)) == [1]
        if "restore" not in write[1]:
            assert ask(client, write, str(number), if_match=tag).is_success


def test_creations_need_no_if_match_when_it_is_required(open_client: AppClient) -> None:
    client = sign_in(open_client(require_if_match=True))

    create(client)
    created = client.put("/students/S2", json={"name": "n", "branch": "b"}, headers={"If-None-Match": "*"})

    assert created.status_code == 201
    assert [student["roll_no"] for student in client.get("/students").json()] == ["S1", "S2"]


def test_a_patch_honours_if_none_match(client: TestClient) -> None:
    create(client)

    answer = client.patch("/students/S1", json={"name": "Other"}, headers={"If-None-Match": "*"})

    assert answer.status_code == 412
    assert client.get("/students/S1").json()["name"] != "Other"


def test_put_with_if_match_does_not_create_a_student(client: TestClient) -> None:
    headers = {"If-None-Match": "*", "If-Match": '"other"'}

    assert client.put("/students/S9", json={"name": "n", "branch": "b"}, headers=headers).status_code == 404
    assert client.get("/students/S9").status_code == 404


def test_a_deletion_returns_the_etag_of_the_deleted_state(client: TestClient) -> None:
    create(client)

    tag = client.delete("/students/S1").headers["etag"]

    assert tag == client.get("/students/S1/history/2").headers["etag"]
    assert client.post("/students/S1/restore", headers={"If-Match": '"other"'}).status_code == 412
    assert client.post("/students/S1/restore", headers={"If-Match": tag}).status_code == 200
