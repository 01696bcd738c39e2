"""Tests of the values in request bodies that MongoDB cannot store: they are 422, and all others are stored."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from beanie import DecimalAnnotation, Document
from fastapi.testclient import TestClient
from pydantic import BaseModel, JsonValue

from core.api import Code, RequestBody
from core.routing.router import ProtectedRouter
from tests.conftest import AppClient
from tests.core.stubs import JSON, SIGNED_IN, stub


class Inner(BaseModel):
    number: int = 0


class Parts(BaseModel):
    """Fields with types that allow more than MongoDB can store."""

    number: int = 0
    ratio: float = 0
    price: DecimalAnnotation = Decimal(0)
    at: datetime | None = None
    lasts: timedelta | None = None
    counts: dict[str, int] = {}
    by_code: dict[Code, int] | None = None
    numbers: list[int] = []
    inner: Inner | None = None
    free: JsonValue = None
    anything: Any = None


class PartsWrite(Parts, RequestBody):
    """The body."""


class Kept(Document, Parts):
    class Settings:
        name = "kept"


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    router = ProtectedRouter()

    @router.post("/kept")
    async def keep(data: PartsWrite) -> Parts:
        """Keep the parts."""
        record = await Kept(**data.model_dump()).insert()
        found = await Kept.get(record.id)
        assert found
        return Parts(**dict(found))

    client = open_client([stub(router=router, documents=(Kept,))])
    client.headers |= SIGNED_IN
    return client


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("number", str(2**63), "less_than_equal"),
        ("number", str(2**70), "less_than_equal"),
        ("number", f'"{2**70}"', "less_than_equal"),
        ("number", str(-(2**63) - 1), "greater_than_equal"),
        ("ratio", "NaN", "number_type"),
        ("ratio", "1e999", "number_type"),
        ("price", f'"{"9" * 35}"', "decimal_max_digits"),
        ("at", '"0001-01-01T00:00:00+14:00"', "out_of_range"),
        ("at", '"9999-12-31T23:59:59-14:00"', "out_of_range"),
        ("lasts", '"P999999999DT23H59M59.999999S"', "out_of_range"),
        ("counts", f'{{"a": {2**70}}}', "less_than_equal"),
        ("counts", '{"a\\u0000": 1}', "key_name"),
        ("counts", '{"$ref": 1}', "key_name"),
        ("by_code", '{"A1": 1, " A1 ": 2}', "repeated"),
        ("numbers", f"[1, {2**70}]", "less_than_equal"),
        ("inner", f'{{"number": {2**70}}}', "less_than_equal"),
        ("free", f'{{"a": [{2**70}]}}', "less_than_equal"),
        ("free", '{"a": NaN}', "number_type"),
        ("free", '{"a": {"$b": 1}}', "key_name"),
        ("free", nested(60), "too_deep"),
        ("anything", '"\\ud800"', "string_unicode"),
        ("anything", '{"\\ud800": 1}', "string_unicode"),
    ],
)
def test_a_value_that_cannot_be_stored_is_refused(client: TestClient, field: str, value: str, code: str) -> None:
    response = client.post("/kept", content=f'{{"{field}": {value}}}', headers=JSON)
    assert response.status_code == 422
    assert [(error["code"], error["pointer"]) for error in response.json()["errors"]] == [(code, f"#/{field}")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 2**63 - 1),
        ("number", -(2**63)),
        ("ratio", -1e308),
        ("price", "9" * 34),
        ("price", "0." + "1" * 33),
        ("at", "0001-01-01T00:00:00Z"),
        ("at", "9999-12-31T23:59:59.999000Z"),
        ("lasts", "P6DT1H"),
        ("counts", {"a.b": 1, "c$": 2, "": 3}),
        ("by_code", {"A1": 1, "a1": 2}),
        ("free", json.loads(nested(40))),
        ("anything", "\u0000é"),
    ],
)
def test_a_value_that_can_be_stored_is_read_again(client: TestClient, field: str, value: object) -> None:
    response = client.post("/kept", json={field: value})
    assert response.status_code == 200, response.text
    assert response.json()[field] == value
