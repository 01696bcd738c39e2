"""Lost items over HTTP, on the real mongod."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import AppClient, sign_in

ADDRESS = "/lost-items"
ONE = f"{ADDRESS}/A1"
CONTENT: dict[str, Any] = {"name": "The first lost item"}


@pytest.fixture
def teacher(client: TestClient) -> TestClient:
    return sign_in(client)


def create(teacher: TestClient, code: str = "A1") -> str:
    """Create a lost item; answers its entity tag."""
    answer = teacher.post(ADDRESS, json=CONTENT | {"code": code})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["ETag"])


def test_what_is_created_can_be_read(teacher: TestClient) -> None:
    created = teacher.post(ADDRESS, json=CONTENT | {"code": "A1"})

    assert created.status_code == 201
    assert created.json().keys() == {"code", *CONTENT, "created_at", "updated_at"}
    assert created.json().items() >= CONTENT.items()
    read = teacher.get(created.headers["Location"])
    assert (read.status_code, read.json()) == (200, created.json())
    assert read.headers["ETag"] == created.headers["ETag"]


def test_a_code_is_taken_once(teacher: TestClient) -> None:
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: teacher.post(ADDRESS, json=CONTENT | {"code": "A1"}), range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    (refused, *_) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["type"] == "/problems/lost-item-code-taken"
    assert refused["errors"][0]["pointer"] == "#/code"


@pytest.mark.parametrize("wrong", [{"code": "a b"}, {"code": ".."}, {"name": ""}, {"name": None}, {"colour": "red"}])
def test_a_wrong_field_is_named(teacher: TestClient, wrong: dict[str, Any]) -> None:
    answer = teacher.post(ADDRESS, json={"code": "A1"} | CONTENT | wrong)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"#/{name}" for name in wrong]
    assert teacher.get(ADDRESS).json() == []


def test_a_replaced_record_is_another_state(teacher: TestClient) -> None:
    tag = create(teacher)

    replaced = teacher.put(ONE, json=CONTENT | {"name": "Another"}, headers={"If-Match": tag})

    assert (replaced.status_code, replaced.json()["name"]) == (200, "Another")
    assert replaced.headers["ETag"] != tag
    read = teacher.get(ONE)
    assert (read.json(), read.headers["ETag"]) == (replaced.json(), replaced.headers["ETag"])


def test_a_write_in_another_state_changes_nothing(teacher: TestClient) -> None:
    old = create(teacher)
    current = teacher.put(ONE, json=CONTENT).headers["ETag"]

    replaced = teacher.put(ONE, json=CONTENT | {"name": "Another"}, headers={"If-Match": old})
    deleted = teacher.delete(ONE, headers={"If-Match": old})

    assert (replaced.status_code, deleted.status_code) == (412, 412)
    assert replaced.headers["ETag"] == current
    assert teacher.get(ONE).json().items() >= CONTENT.items()


def test_a_reader_who_knows_the_state_gets_304(teacher: TestClient) -> None:
    tag = create(teacher)

    assert teacher.get(ONE, headers={"If-None-Match": tag}).status_code == 304
    assert teacher.get(ONE, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_service_may_insist_on_a_condition(open_client: AppClient) -> None:
    teacher = sign_in(open_client(require_if_match=True))
    tag = create(teacher)

    assert teacher.put(ONE, json=CONTENT).status_code == 428
    assert teacher.delete(ONE).status_code == 428
    assert teacher.delete(ONE, headers={"If-Match": tag}).status_code == 204


def test_what_is_deleted_is_gone(teacher: TestClient) -> None:
    create(teacher)

    assert teacher.delete(ONE).status_code == 204

    answers = [teacher.get(ONE), teacher.put(ONE, json=CONTENT), teacher.delete(ONE)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert answers[0].json()["type"] == "/problems/lost-item-not-found"


def test_a_list_is_walked_page_by_page(teacher: TestClient) -> None:
    for code in ("C", "A", "E", "B", "D"):
        create(teacher, code)

    address, seen = f"{ADDRESS}?limit=2", []
    while address:
        answer = teacher.get(address)
        seen.append([record["code"] for record in answer.json()])
        address = answer.links.get("next", {}).get("url", "")

    assert seen == [["A", "B"], ["C", "D"], ["E"]]


@pytest.mark.parametrize(("method", "address"), [("POST", ADDRESS), ("PUT", ONE), ("DELETE", ONE)])
def test_only_teachers_write(open_client: AppClient, method: str, address: str) -> None:
    viewer = sign_in(open_client(default_role="viewer"))

    assert viewer.request(method, address, json=CONTENT | {"code": "A1"}).status_code == 403
    assert viewer.get(ADDRESS).json() == []


@pytest.mark.parametrize(
    ("method", "address"),
    [("POST", ADDRESS), ("GET", ADDRESS), ("GET", ONE), ("PUT", ONE), ("DELETE", ONE)],
)
def test_strangers_do_nothing(client: TestClient, method: str, address: str) -> None:
    assert client.request(method, address, json=CONTENT).status_code == 401
