"""Tests of the kit for tests of modules, and of the ways to replace what a route depends on."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, Request
from fastapi.testclient import TestClient

from core.identity import CurrentUser, Principal, Role, at_least, check_role, current_user, verify_caller
from core.routing.router import ProtectedRouter
from tests.core.stubs import stub, unstarted_client
from tests.kit import caught_up, people, stored, students


def test_people_have_their_roles(client: TestClient) -> None:
    made = [people.admin(client), people.teacher(client), people.viewer(client), people.viewer(client, "emmy")]

    answers = [person.ask("GET", "/me").json() for person in made]

    assert [(answer["username"], answer["role"]) for answer in answers] == [
        ("principal", "admin"),
        ("teacher", "teacher"),
        ("viewer", "viewer"),
        ("emmy", "viewer"),
    ]


def test_students_are_made_as_over_http(client: TestClient) -> None:
    roll_nos = students.make(client, 300, branch="Chemistry", marks={"math": 90})

    listed = people.viewer(client).ask("GET", "/students?limit=500&branch=Chemistry&marks.math.gte=90").json()
    assert [student["roll_no"] for student in listed] == roll_nos
    assert [student["roll_no"] for student in stored("students")] == roll_nos


def test_the_feed_has_each_change_once_it_has_caught_up(client: TestClient) -> None:
    students.make(client, 3)
    assert stored("student_changes") == []

    caught_up()

    assert [entry["_id"] for entry in stored("student_changes")] == [1, 2, 3]


def original() -> str:
    return "original"


def routes() -> ProtectedRouter:
    router = ProtectedRouter()

    @router.get("/read")
    async def read(user: CurrentUser, value: Annotated[str, Depends(original)]) -> list[str]:
        """Read something."""
        return [user.username, value]

    @router.post("/write", dependencies=[at_least(Role.ADMIN)])
    async def write(user: CurrentUser, request: Request) -> list[str]:
        """Write something."""
        return [user.username, (await verify_caller(request)).username]

    return router


async def emmy() -> Principal:
    return Principal("emmy", Role.VIEWER)


@pytest.fixture
def app_client() -> TestClient:
    return unstarted_client(stub(router=routes()))


def overrides(client: TestClient) -> dict[Any, Any]:
    app: Any = client.app
    overrides: dict[Any, Any] = app.dependency_overrides
    return overrides


@pytest.mark.parametrize("time", ["first", "second"])
def test_an_override_ends_with_the_test(client: TestClient, time: str) -> None:
    assert client.get("/me").status_code == 401
    overrides(client)[current_user] = emmy
    assert client.get("/students").status_code == 200


def test_each_dependency_can_be_replaced_even_that_of_the_user(app_client: TestClient) -> None:
    overrides(app_client).update({current_user: emmy, original: lambda: "replaced"})

    assert app_client.get("/read", headers={"Authorization": ""}).json() == ["emmy", "replaced"]
    assert app_client.post("/write").status_code == 403

    overrides(app_client)[current_user] = lambda: Principal("noether", Role.ADMIN)
    assert app_client.post("/write", headers={"Authorization": ""}).json() == ["noether", "noether"]


def test_the_check_of_roles_can_be_replaced(app_client: TestClient) -> None:
    overrides(app_client).update({current_user: emmy, check_role: lambda: None})
    assert app_client.post("/write").json() == ["emmy", "emmy"]


def test_nothing_is_replaced_without_an_override(app_client: TestClient) -> None:
    assert app_client.get("/read").json() == ["stub", "original"]
    assert app_client.get("/read", headers={"Authorization": ""}).status_code == 401
