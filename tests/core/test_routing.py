"""What a route looks at before the framework reads the body."""

from typing import Annotated

import pytest
from fastapi import Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from core.identity import Principal, Role, at_least
from core.routing.router import ProtectedRouter
from tests.core.stubs import JSON, Thing, stub, things, unopened


class Filters(BaseModel):
    limit: int = 1
    branch: list[str] = []
    tags: list[str] | None = None
    first: Annotated[int, Field(alias="from")] = 0


def guarded(role: Role) -> TestClient:
    """A client whose user has this role, of routes that take a teacher's."""
    router = ProtectedRouter()

    @router.get("/filtered")
    async def filtered(query: Annotated[Filters, Query()], page: int = 1) -> Filters:
        return query

    @router.get("/told/{text:text}")
    async def tell(text: Annotated[str, Field(pattern="^[a-z/]*$")]) -> str:
        return text

    @router.post("/written", dependencies=[at_least(Role.TEACHER)])
    async def write(thing: Thing) -> Thing:
        return thing

    async def authenticate(_: str) -> Principal:
        return Principal("somebody", role)

    return unopened(stub(router=router, authenticator=authenticate))


@pytest.mark.parametrize(
    "query", ["limit=1&limit=2", "limit=1&limit=1", "page=1&page=2", "limit=1&branch=a&limit=2", "from=1&from=2"]
)
def test_a_parameter_with_one_value_is_given_once(query: str) -> None:
    answer = guarded(Role.VIEWER).get(f"/filtered?{query}")
    name = query.partition("=")[0]
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [name]


def test_a_parameter_with_many_values_may_be_repeated() -> None:
    answer = guarded(Role.VIEWER).get("/filtered?branch=a&branch=b&limit=3&tags=c&tags=d")
    assert answer.json() == {"limit": 3, "branch": ["a", "b"], "tags": ["c", "d"], "from": 0}


@pytest.mark.parametrize("body", [b"{", b'{"name": 1}', b"\xff", b"x" * 2_000_000])
def test_who_may_not_write_is_told_that_first(body: bytes) -> None:
    for headers in (JSON, {"Content-Type": "text/plain"}):
        assert guarded(Role.VIEWER).post("/written", content=body, headers=headers).status_code == 403
    assert guarded(Role.TEACHER).post("/written", content=body, headers=JSON).status_code in (400, 413, 422)


def test_a_body_may_say_its_charset() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert guarded(Role.TEACHER).post("/written", content=b'{"name": "x"}', headers=headers).status_code == 200


@pytest.mark.parametrize(("text", "status"), [("a", 200), ("a/b", 200), ("a%0Ab", 422), ("%0A", 422), ("a%0A", 422)])
def test_a_text_in_an_address_may_hold_anything(text: str, status: int) -> None:
    answer = guarded(Role.VIEWER).get(f"/told/{text}")
    assert (answer.status_code, answer.json() == text) == (status, status == 200)


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs", "/openapi.json", "/things", "/static/favicon.png"])
def test_head_answers_as_get_does_without_the_body(path: str) -> None:
    client = unopened(things())
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert (head.content, bool(get.content)) == (b"", True)
    for name in ("Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name]


def test_head_of_what_is_not_read_is_refused() -> None:
    answer = unopened(things()).head("/things/x")
    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, "OPTIONS, PUT", b"")
