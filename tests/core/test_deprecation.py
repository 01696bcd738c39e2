"""Tests of deprecated routes: every response says since when, and until when."""

from datetime import date
from typing import Annotated, Any

import pytest
from fastapi import Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from core.errors import NotFound
from core.routing.deprecation import Deprecation, deprecation
from core.routing.router import ProtectedRouter, PublicRouter
from tests.core.stubs import FAILURES, JSON, stub, unstarted_client

OLD = {"deprecated": deprecation(since=date(2026, 11, 1), sunset=date(2027, 11, 1))}
ANNOUNCED = {"deprecation": "@1793491200", "sunset": "Mon, 01 Nov 2027 00:00:00 GMT"}


class Page(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = 1


class Body(BaseModel):
    name: str


@pytest.fixture(scope="module")
def client() -> TestClient:
    router, public = ProtectedRouter(), PublicRouter()

    @router.get("/old", **OLD)
    async def read(page: Annotated[Page, Query()]) -> str:
        """Read something old."""
        return "old"

    @router.post("/old", **OLD)
    async def write(body: Body) -> str:
        """Write something old."""
        return body.name

    @public.get("/old/{kind}", **OLD)
    async def fail(kind: str) -> None:
        """Fail in an old way."""
        raise FAILURES.get(kind, NotFound())

    @router.get("/new")
    async def read_new() -> str:
        """Read something new."""
        return "new"

    return unstarted_client(
        stub(router=router, public_router=public), max_body_bytes=1000, cors_origins=["https://school.example"]
    )


@pytest.mark.parametrize(
    ("status", "method", "path", "sent"),
    [
        (200, "GET", "/old", {}),
        (200, "HEAD", "/old", {}),
        (200, "POST", "/old", {"json": {"name": "x"}}),
        (400, "POST", "/old", {"content": b"\xff", "headers": JSON}),
        (401, "GET", "/old", {"headers": {"Authorization": ""}}),
        (404, "GET", "/old/unknown", {}),
        (413, "POST", "/old", {"json": {"name": "x" * 1000}}),
        (415, "POST", "/old", {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
        (422, "GET", "/old?limit=x", {}),
        (422, "GET", "/old?limit=1&limit=1", {}),
        (422, "POST", "/old", {"json": {}}),
        (500, "GET", "/old/bug", {}),
        (503, "GET", "/old/away", {}),
    ],
)
def test_every_response_announces_the_removal(
    client: TestClient, status: int, method: str, path: str, sent: dict[str, Any]
) -> None:
    answer = client.request(method, path, **sent)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in ANNOUNCED} == ANNOUNCED


@pytest.mark.parametrize("path", ["/new", "/new?x=1", "/unknown", "/healthz"])
def test_other_routes_announce_nothing(client: TestClient, path: str) -> None:
    assert not set(ANNOUNCED) & set(client.get(path).headers)


def test_the_document_says_so(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    for operation in (*paths["/old"].values(), *paths["/old/{kind}"].values()):
        assert (operation["deprecated"], operation["x-sunset"]) == (True, "2027-11-01")
        assert operation["description"].startswith(
            "Deprecated since 2026-11-01. May be removed on 2027-11-01 or later."
        )
        assert all({"Deprecation", "Sunset"} <= set(one["headers"]) for one in operation["responses"].values())
    new = paths["/new"]["get"]
    assert "deprecated" not in new
    assert not any("Sunset" in one["headers"] for one in new["responses"].values())


def test_a_script_of_another_origin_can_read_the_headers(client: TestClient) -> None:
    answer = client.get("/old", headers={"Origin": "https://school.example"})

    assert {"Deprecation", "Sunset"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))


def test_a_deprecation_has_dates_in_order() -> None:
    with pytest.raises(ValueError, match="before"):
        Deprecation(date(2027, 1, 2), date(2027, 1, 1))
    with pytest.raises(TypeError, match="/old: write deprecated=deprecation"):
        ProtectedRouter().add_api_route("/old", lambda: None, deprecated=True)
