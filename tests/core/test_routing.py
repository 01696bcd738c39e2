"""Tests of what a route checks before the framework reads the body."""

from typing import Annotated

import pytest
from fastapi import Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from core.identity import Principal, Role, at_least
from core.routing.router import ProtectedRouter
from tests.core.stubs import JSON, Thing, stub, things, unstarted_client


class Filters(BaseModel):
    limit: int = 1
    branch: list[str] = []
    tags: list[str] | None = None
    first: Annotated[int, Field(alias="from")] = 0


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = 1


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


def client_with_role(role: Role) -> TestClient:
    """Return a client whose user has this role. Of the routes of its app, `/written` requires a teacher."""
    router = ProtectedRouter()

    @router.get("/filtered")
    async def filtered(query: Annotated[Filters, Query()], page: int = 1) -> Filters:
        return query

    @router.get("/strict")
    async def strict(query: Annotated[Strict | None, Query()]) -> Strict | None:
        return query

    @router.get("/open")
    async def open_(query: Annotated[Open, Query()]) -> Open:
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


@pytest.mark.parametrize(
    ("url", "unknown", "known"),
    [
        ("/filtered?limit=1&form=2&page=3&first=4", ["form", "first"], "limit, branch, tags, from, page"),
        ("/filtered?x=1&x=2&limit=x", ["x"], "limit, branch, tags, from, page"),
        ("/filtered?LIMIT=1", ["LIMIT"], "limit, branch, tags, from, page"),
        ("/strict?limit=1&other", ["other"], "limit"),
        ("/echo/a?%F0%9F%98%80=1", ["\U0001f600"], ""),
        ("/echo/a?=1", [""], ""),
        ("/written?limit=1", ["limit"], ""),
        *(
            (f"{path}?branch=8A", ["branch"], "")
            for path in ("/", "/healthz", "/readyz", "/metrics", "/docs", "/redoc")
        ),
        *(
            (f"{path}?q", ["q"], "")
            for path in ("/openapi.json", "/redoc.js", "/problems", "/problems/codes", "/problems/x")
        ),
    ],
)
def test_a_parameter_that_a_route_does_not_have_is_refused(url: str, unknown: list[str], known: str) -> None:
    answer = client_with_role(Role.VIEWER if "written" not in url else Role.TEACHER).request(
        "POST" if "written" in url else "GET", url
    )
    errors = answer.json()["errors"]
    assert answer.status_code == 422
    assert [(error["code"], error["parameter"]) for error in errors] == [("extra_forbidden", one) for one in unknown]
    assert {error["detail"].partition("Choose from ")[2].rstrip(".") for error in errors} == {known}


def test_only_a_signed_in_user_learns_the_parameters() -> None:
    assert client_with_role(Role.VIEWER).post("/written?x=1").status_code == 403
    assert client_with_role(Role.VIEWER).get("/filtered?x=1", headers={"Authorization": ""}).status_code == 401


def test_a_model_of_parameters_can_allow_others() -> None:
    assert client_with_role(Role.VIEWER).get("/open?x=1").json() == {"x": "1"}
    assert client_with_role(Role.VIEWER).get("/strict?limit=2").json() == {"limit": 2}


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
