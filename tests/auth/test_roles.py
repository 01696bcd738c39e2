"""Tests of the permissions of each role."""

import pytest
from fastapi.testclient import TestClient

from tests.auth.people import PASSWORD, Person, signed_in
from tests.conftest import AppClient

S1 = {"roll_no": "S1", "name": "n", "branch": "b"}


def test_a_viewer_can_read_but_not_write(viewer: Person, teacher: Person) -> None:
    assert teacher.ask("POST", "/students", S1).status_code == 201

    assert viewer.ask("GET", "/students").status_code == 200
    assert viewer.ask("GET", "/students/S1").status_code == 200
    for method, path in (("POST", "/students"), ("PUT", "/students/S1"), ("DELETE", "/students/S1")):
        refused = viewer.ask(method, path, S1)
        assert refused.status_code == 403
        assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="teacher"'
        assert refused.json()["type"] == "/problems/forbidden"
    assert teacher.ask("GET", "/students/S1").json()["name"] == "n"


def test_teachers_and_admins_can_write(teacher: Person, admin: Person) -> None:
    for number, person in enumerate((teacher, admin)):
        assert person.ask("POST", "/students", S1 | {"roll_no": f"S{number}"}).status_code == 201
        assert person.ask("PUT", f"/students/S{number}", {"name": "m", "branch": "b"}).status_code == 200
        assert person.ask("DELETE", f"/students/S{number}").status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/users"),
        ("GET", "/users/teacher"),
        ("PATCH", "/users/teacher"),
        ("DELETE", "/users/teacher"),
        ("POST", "/users/teacher/password-reset"),
        ("GET", "/auth-events"),
    ],
)
def test_only_admins_can_manage_accounts(teacher: Person, viewer: Person, method: str, path: str) -> None:
    for person in (teacher, viewer):
        refused = person.ask(method, path, {"role": "admin"} if method == "PATCH" else None)
        assert refused.status_code == 403
        assert 'scope="admin"' in refused.headers["www-authenticate"]
    assert teacher.ask("GET", "/me").json()["role"] == "teacher"


@pytest.mark.parametrize("role", ["teacher", "viewer"])
def test_the_role_of_a_new_account_is_configurable(open_client: AppClient, role: str) -> None:
    client = open_client(default_role=role)
    client.post("/register", json={"username": "new", "email": "new@example.com", "password": PASSWORD})

    assert signed_in(client, "new").ask("GET", "/me").json()["role"] == role


def test_registration_can_be_closed(open_client: AppClient) -> None:
    client = open_client(registration="closed")

    answer = client.post("/register", json={"username": "new", "email": "new@example.com", "password": PASSWORD})

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/registration-closed")
    assert client.post("/login", data={"username": "new", "password": PASSWORD}).status_code == 401


def test_required_roles_are_documented(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    def scopes(path: str, method: str) -> set[str]:
        required = document["paths"][path][method]["security"]
        return {scope for scheme in required for scopes in scheme.values() for scope in scopes}

    assert scopes("/students", "post") == {"teacher"}
    assert scopes("/users", "get") == {"admin"}
    assert scopes("/students", "get") == set()
    flow = document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert set(flow["scopes"]) == {"viewer", "teacher", "admin"}
