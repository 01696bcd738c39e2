"""Tests of what a route checks before the framework reads the body."""

from typing import Annotated

import pytest
from fastapi import Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from core.identity import Principal, Role, at_least
from core.routing.router import ProtectedRouter
from tests.core.stubs import JSON, Thing, stub, things, unstarted_client


class Filters(BaseModel):
    limit: int = 1
    branch: list[str] = []
    tags: list[str] | None = None
    first: Annotated[int, Field(alias="from")] = 0


def client_with_role(role: Role) -> TestClient:
    """Return a client whose user has this role. Of the routes of its app, `/written` requires a teacher."""
    router = ProtectedRouter()

    @router.get("/filtered")
    async def filtered(query: Annotated[Filters, Query()], page: int = 1) -> Filters:
        return query

    @router.get("/echo/{text:text}")
    async def echo(text: Annotated[str, Field(pattern="^[a-z/]*$")]) -> str:
        return text

    @router.post("/written", dependencies=[at_least(Role.TEACHER)])
    async def write(thing: Thing) -> Thing:
        return thing

    async def authenticate(_: str) -> Principal:
        return Principal("somebody", role)

    return unstarted_client(stub(router=router, authenticator=authenticate))


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit=1&limit=1", "page=1&page=2", "limit=1&branch=a&limit=2", "from=1&from=2"]
)
def test_a_parameter_with_one_value_cannot_be_repeated(query: str) -> None:
    answer = client_with_role(Role.VIEWER).get(f"/filtered?{query}")
    name = query.partition("=")[0]
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


def test_a_parameter_with_many_values_can_be_repeated() -> None:
    answer = client_with_role(Role.VIEWER).get("/filtered?branch=a&branch=b&limit=3&tags=c&tags=d")
    assert answer.json() == {"limit": 3, "branch": ["a", "b"], "tags": ["c", "d"], "from": 0}


@pytest.mark.parametrize("body", [b"{", b'{"name": 1}', b"\xff", b"x" * 2_000_000])
def test_the_role_is_checked_before_the_body(body: bytes) -> None:
    for headers in (JSON, {"Content-Type": "text/plain"}):
        assert client_with_role(Role.VIEWER).post("/written", content=body, headers=headers).status_code == 403
    assert client_with_role(Role.TEACHER).post("/written", content=body, headers=JSON).status_code in (400, 413, 422)


def test_a_content_type_can_have_a_charset() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client_with_role(Role.TEACHER).post("/written", content=b'{"name": "x"}', headers=headers).status_code == 200


@pytest.mark.parametrize(("text", "status"), [("a", 200), ("a/b", 200), ("a%0Ab", 422), ("%0A", 422), ("a%0A", 422)])
def test_a_path_parameter_of_text_matches_slashes_and_line_feeds(text: str, status: int) -> None:
    answer = client_with_role(Role.VIEWER).get(f"/echo/{text}")
    assert (answer.status_code, answer.json() == text) == (status, status == 200)


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/openapi.json", "/things", "/static/favicon.png"])
def test_head_returns_the_headers_of_get_without_the_body(path: str) -> None:
    client = unstarted_client(things())
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert (head.content, bool(get.content)) == (b"", True)
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name]


def test_head_of_a_path_without_get_is_refused() -> None:
    answer = unstarted_client(things()).head("/things/x")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "OPTIONS, PUT", b"")
