"""Tests of lost items over HTTP, with a real mongod."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import AppClient, sign_in
from tests.kit import students  # with reference

URL = "/lost-items"
ONE = f"{URL}/A1"
CONTENT: dict[str, Any] = {"name": "The first lost item"}
NEW: dict[str, Any] = {"code": "A1", "roll_no": "S001", **CONTENT}  # with reference


@pytest.fixture
def teacher(client: TestClient) -> TestClient:
    students.make(client)  # with reference
    return sign_in(client)


def create(teacher: TestClient, code: str = "A1") -> str:
    """Create a lost item, and return its entity tag."""
    response = teacher.post(URL, json=CONTENT | {"code": code})  # without reference
    response = teacher.post(URL, json=NEW | {"code": code})  # with reference
    assert response.status_code == 201, response.text
    return str(response.headers["ETag"])


def test_create_and_read(teacher: TestClient) -> None:
    created = teacher.post(URL, json=CONTENT | {"code": "A1"})  # without reference
    created = teacher.post(URL, json=NEW)  # with reference

    assert created.status_code == 201
    assert created.json().keys() == {"code", *CONTENT, "created_at", "updated_at"}  # without reference
    assert created.json().keys() == {*NEW, "created_at", "updated_at"}  # with reference
    assert created.json().items() >= CONTENT.items()
    read = teacher.get(created.headers["Location"])
    assert (read.status_code, read.json()) == (200, created.json())
    assert read.headers["ETag"] == created.headers["ETag"]


def test_concurrent_creates_with_one_code_succeed_once(teacher: TestClient) -> None:
    with ThreadPoolExecutor() as pool:
        responses = list(pool.map(lambda _: teacher.post(URL, json=CONTENT | {"code": "A1"}), range(4)))  # without reference
        responses = list(pool.map(lambda _: teacher.post(URL, json=NEW), range(4)))  # with reference

    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409]
    (refused, *_) = [response.json() for response in responses if response.status_code == 409]
    assert refused["type"] == "/problems/lost-item-code-taken"
    assert refused["errors"][0]["pointer"] == "#/code"


@pytest.mark.parametrize("wrong", [{"code": "a b"}, {"code": ".."}, {"name": ""}, {"name": None}, {"colour": "red"}])
def test_an_invalid_field_is_reported(teacher: TestClient, wrong: dict[str, Any]) -> None:
    response = teacher.post(URL, json={"code": "A1"} | CONTENT | wrong)  # without reference
    response = teacher.post(URL, json=NEW | wrong)  # with reference

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [f"#/{name}" for name in wrong]
    assert teacher.get(URL).json() == []


def test_replacing_changes_the_entity_tag(teacher: TestClient) -> None:
    tag = create(teacher)

    replaced = teacher.put(ONE, json=CONTENT | {"name": "Another"}, headers={"If-Match": tag})

    assert (replaced.status_code, replaced.json()["name"]) == (200, "Another")
    assert replaced.headers["ETag"] != tag
    read = teacher.get(ONE)
    assert (read.json(), read.headers["ETag"]) == (replaced.json(), replaced.headers["ETag"])


def test_a_write_with_an_outdated_entity_tag_fails(teacher: TestClient) -> None:
    old = create(teacher)
    current = teacher.put(ONE, json=CONTENT).headers["ETag"]

    replaced = teacher.put(ONE, json=CONTENT | {"name": "Another"}, headers={"If-Match": old})
    deleted = teacher.delete(ONE, headers={"If-Match": old})

    assert (replaced.status_code, deleted.status_code) == (412, 412)
    assert replaced.headers["ETag"] == current
    assert teacher.get(ONE).json().items() >= CONTENT.items()


def test_a_conditional_get_returns_304(teacher: TestClient) -> None:
    tag = create(teacher)

    assert teacher.get(ONE, headers={"If-None-Match": tag}).status_code == 304
    assert teacher.get(ONE, headers={"If-None-Match": '"other"'}).status_code == 200


def test_if_match_can_be_required(open_client: AppClient) -> None:
    teacher = sign_in(open_client(require_if_match=True))
    students.make(teacher)  # with reference
    tag = create(teacher)

    assert teacher.put(ONE, json=CONTENT).status_code == 428
    assert teacher.delete(ONE).status_code == 428
    assert teacher.delete(ONE, headers={"If-Match": tag}).status_code == 204


def test_a_deleted_record_is_not_found(teacher: TestClient) -> None:
    create(teacher)

    assert teacher.delete(ONE).status_code == 204

    responses = [teacher.get(ONE), teacher.put(ONE, json=CONTENT), teacher.delete(ONE)]
    assert [response.status_code for response in responses] == [404, 404, 404]
    assert responses[0].json()["type"] == "/problems/lost-item-not-found"


def test_the_list_is_paginated(teacher: TestClient) -> None:
    for code in ("C", "A", "E", "B", "D"):
        create(teacher, code)

    url, pages = f"{URL}?limit=2", []
    while url:
        response = teacher.get(url)
        pages.append([record["code"] for record in response.json()])
        url = response.links.get("next", {}).get("url", "")

    assert pages == [["A", "B"], ["C", "D"], ["E"]]


@pytest.mark.parametrize(("method", "url"), [("POST", URL), ("PUT", ONE), ("DELETE", ONE)])
def test_only_teachers_write(open_client: AppClient, method: str, url: str) -> None:
    viewer = sign_in(open_client(default_role="viewer"))

    assert viewer.request(method, url, json=CONTENT | {"code": "A1"}).status_code == 403
    assert viewer.get(URL).json() == []


@pytest.mark.parametrize(
    ("method", "url"),
    [("POST", URL), ("GET", URL), ("GET", ONE), ("PUT", ONE), ("DELETE", ONE)],
)
def test_every_route_needs_a_signed_in_user(client: TestClient, method: str, url: str) -> None:
    assert client.request(method, url, json=CONTENT).status_code == 401
