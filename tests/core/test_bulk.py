"""Tests of writes of many documents with one command."""

import asyncio
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from beanie import Document
from pydantic import BaseModel
from pymongo import IndexModel
from pymongo.errors import BulkWriteError

from core.database import bulk_upsert, collection
from tests.conftest import AppClient
from tests.core.stubs import stub
from tests.kit import stored


class Owner(BaseModel):
    id: int
    name: str


class Mark(Document):
    owner: Owner
    day: int
    state: str
    place: str

    class Settings:
        name = "bulk_marks"
        indexes = [
            IndexModel([("owner.id", 1), ("day", 1)], name="once_a_day", unique=True),
            IndexModel("place", name="place_unique", unique=True),
        ]


@pytest.fixture(params=["mongod", "memory"])
def portal(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> BlockingPortal:
    changes: dict[str, object] = {}
    if request.param == "memory":
        monkeypatch.setattr("core.database.client.find_mongod", lambda *_: None)
        changes = {"mongodb_url": None, "allow_memory_db": True}
    portal = open_client([stub(documents=(Mark,))], **changes).portal
    assert portal
    return portal


def row(owner: int, state: str, day: int = 1, **fields: Any) -> dict[str, Any]:
    return {"owner": {"id": owner, "name": state}, "day": day, "state": state, "place": f"{owner}.{day}", **fields}


async def upsert(*rows: dict[str, Any]) -> set[int]:
    return await bulk_upsert(Mark, rows, key=("owner.id", "day"), update=("state",))


async def read() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await collection(Mark).find({}, {"_id": 0}).sort("owner.id", 1).to_list(None)
    return found


def test_rows_are_inserted_or_update_the_chosen_fields(portal: BlockingPortal) -> None:
    assert portal.call(upsert) == set()
    assert portal.call(upsert, row(1, "a"), row(2, "a")) == {0, 1}
    assert portal.call(upsert, row(2, "b"), row(3, "b"), row(1, "a"), row(4, "b")) == {1, 3}

    first, second, *new = portal.call(read)
    assert (first, second) == (row(1, "a"), row(2, "a") | {"state": "b"})
    assert new == [row(3, "b"), row(4, "b")]


def test_requests_with_the_same_keys_at_once_insert_each_row_once(open_client: AppClient) -> None:
    portal = open_client([stub(documents=(Mark,))]).portal
    assert portal

    async def all_at_once(day: int) -> list[set[int]]:
        requests = [[row(owner, str(number), day) for owner in range(50)] for number in range(16)]
        return await asyncio.gather(*(upsert(*rows) for rows in requests))

    for day in range(4):  # on the first, connections to the database are opened, so few requests overlap
        inserted = [position for positions in portal.call(all_at_once, day) for position in positions]
        assert sorted(inserted) == list(range(50))
    assert len(stored("bulk_marks")) == 200


def test_a_row_that_violates_another_unique_index_is_an_error(open_client: AppClient) -> None:
    portal = open_client([stub(documents=(Mark,))]).portal
    assert portal
    portal.call(upsert, row(1, "a"))
    with pytest.raises(BulkWriteError):
        portal.call(upsert, row(2, "a", place="1.1"))
