"""Values of parameters that MongoDB cannot store are 422, so that a route can find records by any other."""

from datetime import datetime
from typing import Annotated, Any

import pytest
from beanie import Document
from fastapi import Depends, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from core.routing.router import ProtectedRouter, PublicRouter
from tests.conftest import AppClient
from tests.core.stubs import SIGNED_IN, stub

LARGE = str(2**63)


class Found(Document):
    """What the routes look for."""

    class Settings:
        name = "found"


class Window(BaseModel):
    first: int = 0
    size: Annotated[int, Field(gt=0, le=5)] = 1
    steps: list[Annotated[int, Field(ge=0)]] = []


def floor(least: int = 0) -> int:
    return least


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    router, public = ProtectedRouter(), PublicRouter()

    @router.get("/found/{number}")
    async def find(number: int, window: Annotated[Window, Query()], floor: Annotated[int, Depends(floor)]) -> int:
        """Count what is found."""
        return await count({"number": number, **window.model_dump(), "floor": floor})

    @public.get("/found")
    async def search(
        rank: int | None = None,
        ratio: int | float = 0,
        at: datetime | None = None,
        text: int | str = 0,
        limit: Annotated[int, Query(ge=-3, le=3)] = 3,
    ) -> int:
        """Count what is found."""
        return await count({"rank": rank, "ratio": ratio, "at": at, "limit": limit, "text": text})

    client = open_client([stub(router=router, public_router=public, documents=(Found,))])
    client.headers |= SIGNED_IN
    return client


async def count(condition: dict[str, Any]) -> int:
    return await Found.find(condition).count()


@pytest.mark.parametrize(
    ("path", "parameter", "code"),
    [
        (f"/found/{LARGE}", "number", "less_than_equal"),
        (f"/found/{-(2**63) - 1}", "number", "greater_than_equal"),
        (f"/found/1?first={LARGE}", "first", "less_than_equal"),
        (f"/found/1?first={LARGE}.0", "first", "less_than_equal"),
        (f"/found/1?first=%2B{'9' * 400}", "first", "less_than_equal"),
        (f"/found/1?steps=1&steps={LARGE}", "steps", "less_than_equal"),
        (f"/found/1?least={LARGE}", "least", "less_than_equal"),
        (f"/found?rank={LARGE}", "rank", "less_than_equal"),
        (f"/found?ratio={LARGE}", "ratio", "less_than_equal"),
        ("/found?at=9999-12-31T23:59:59-14:00", "at", "out_of_range"),
        ("/found?rank=x", "rank", "int_type"),
        (f"/found?rank={'9' * 5000}", "rank", "int_type"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(client: TestClient, path: str, parameter: str, code: str) -> None:
    response = client.get(path)
    assert response.status_code == 422, response.text
    assert [(error["code"], error["parameter"]) for error in response.json()["errors"]] == [(code, parameter)]


@pytest.mark.parametrize(
    ("path", "limit"), [(f"/found?limit={LARGE}", 3), (f"/found/1?size={LARGE}", 5), (f"/found?limit={-(2**70)}", -3)]
)
def test_a_limit_of_the_parameter_is_named_instead(client: TestClient, path: str, limit: int) -> None:
    (error,) = client.get(path).json()["errors"]
    assert str(limit) in error["detail"]


@pytest.mark.parametrize(
    "path",
    [
        f"/found/{2**63 - 1}?first={-(2**63)}&steps=1&steps=2&least=3",
        "/found?rank=1&ratio=1.5&at=2026-11-22T09:30:00Z&limit=-2",
        f"/found?text={LARGE}",
    ],
)
def test_other_values_are_found_by(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, 0)
