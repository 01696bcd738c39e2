"""Lists and exports by name, by last name and by roll number with its digits as numbers; and the stored sort keys."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.database import Database

from core.database import open_database
from core.errors import StartupError
from core.migrations import run
from core.settings import Settings, use_settings
from modules.students import module
from modules.students.migrations import _derived, m0004_sort_keys
from modules.students.sort_keys import natural_key
from tests.auth.people import as_teacher
from tests.conftest import AppClient, configured
from tests.students.listing import pages, roll_numbers, store
from tests.students.test_search import is_whole, run_migration

Stored = Database[dict[str, Any]]

# Each order with its students, by hand. Equal names and numbers are sorted by roll number as text.
ORDERS: dict[str, list[tuple[str, str]]] = {
    "name": [
        ("1", "adam"),
        ("10", "Adam"),
        ("2", "Adam"),
        ("3", "Ádám"),
        ("4", "Adam Rao"),
        ("5", "del Martos"),
        ("6", "Émile"),
        ("7", "Zoë Aal"),
        ("8", "Zoe Bo"),
        ("9", "Жанна"),
        ("11", "王小明"),
    ],
    "last_name": [
        ("1", "Li Aal"),
        ("2", "Zoe Aal"),
        ("6", "Ludwig van Beethoven"),
        ("3", "Bo"),
        ("5", "Ana López"),
        ("4", "María García López"),
        ("7", "王小明"),
    ],
    "natural": [
        (roll_no, "Bo")
        for roll_no in (
            *("01", "1", "002", "2", "10", "10a", "10B", "100"),
            *("A-2", "A-10", "A1", "a2", "A10", "A10-2", "A10-10", "B"),
        )
    ],
}


def fill(client: TestClient, order: str) -> list[str]:
    """Store the students of an order, the last ones first, and one who is deleted. Return their roll numbers."""
    names = dict(ORDERS[order][::-1])
    store(client, ({"roll_no": roll_no, "name": name, "branch": "b", "marks": {}} for roll_no, name in names.items()))
    assert client.post("/students", json={"roll_no": "A3", "name": "Adan Boa", "branch": "b"}).status_code == 201
    assert client.delete("/students/A3").status_code == 204
    return [roll_no for roll_no, _ in ORDERS[order]]


@pytest.mark.parametrize("order", ORDERS)
def test_lists_pages_and_exports_have_one_order(client: TestClient, order: str) -> None:
    expected = fill(client, order)

    for sort, whole in ((order, expected), (f"branch,{order}", expected)):
        forward = list(pages(client, f"/students?sort={sort}&limit=3"))
        backward = list(pages(client, str(forward[-1].url), "prev"))
        assert roll_numbers(*forward) == whole, sort
        assert roll_numbers(*backward[::-1]) == whole, sort
    falling = roll_numbers(*pages(client, f"/students?sort=-{order},-roll_no&limit=4"))
    assert falling == expected[::-1]
    exported = client.get("/exports/students", params={"sort": order, "format": "ndjson"}).text
    assert [json.loads(line)["roll_no"] for line in exported.splitlines()] == expected
    assert client.get(f"/students?sort={order}&limit=1").json()[0].keys() == client.get("/students").json()[0].keys()


def test_ties_are_sorted_by_name(client: TestClient) -> None:
    fill(client, "name")
    for roll_no in ("7", "8", "2", "6"):
        assert client.patch(f"/students/{roll_no}", json={"marks": {"math": 50}}).status_code == 200

    walk = pages(client, "/students?sort=-marks.math,name&marks.math.gte=1&limit=2")
    assert roll_numbers(*walk) == ["2", "6", "7", "8"]


def test_the_order_follows_changes(client: TestClient) -> None:
    fill(client, "name")

    client.patch("/students/7", json={"name": "Aaron Zo"})
    client.post("/students/9/rename", json={"roll_no": "09"})
    client.delete("/students/1")
    client.post("/students/1/restore")

    assert roll_numbers(client.get("/students?sort=name&limit=2")) == ["7", "1"]
    assert roll_numbers(client.get("/students?sort=-last_name&limit=3")) == ["11", "09", "7"]
    assert roll_numbers(client.get("/students?sort=natural&roll_no=8&roll_no=09&roll_no=10")) == ["8", "09", "10"]
    assert is_whole(client)


def test_names_are_sorted_in_memory_too(either: TestClient) -> None:
    for roll_no, name in (("10", "zoe"), ("2", "Émile"), ("1", "adam")):
        assert either.post("/students", json={"roll_no": roll_no, "name": name, "branch": "b"}).status_code == 201

    assert roll_numbers(*pages(either, "/students?sort=name&limit=1")) == ["1", "2", "10"]
    assert roll_numbers(*pages(either, "/students?sort=-natural&limit=1")) == ["10", "2", "1"]


def test_roll_numbers_of_many_digits_have_short_keys() -> None:
    assert natural_key("0" * 64) == "010"
    assert natural_key("9" * 64) == f"64{'9' * 64}"
    assert natural_key("2-" * 32) < natural_key("10-" * 21)


@pytest.fixture
def stored(settings: Settings) -> Iterator[Stored]:
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        yield client[settings.mongodb_database]


def test_the_migration_stores_sort_keys(
    client: TestClient, settings: Settings, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_derived, "_BATCH", 3)
    fill(client, "name")
    before = list(stored.students.find().sort("_id"))
    without = {"$unset": {"keys.natural": "", "keys.name": "", "keys.last_name": ""}}
    stored.students.update_many({"roll_no": {"$ne": "3"}}, without)
    stored.students.update_one({"roll_no": "4"}, {"$set": {"keys.name": "of another language"}})
    assert not is_whole(client)

    run_migration(settings, m0004_sort_keys)
    run_migration(settings, m0004_sort_keys)

    assert list(stored.students.find().sort("_id")) == before
    assert is_whole(client)


@pytest.mark.usefixtures("no_app")
def test_another_language_needs_the_migration_and_ends_cursors(open_client: AppClient, settings: Settings) -> None:
    """The service refuses to start until then: a list in two orders at once would skip students."""
    client = as_teacher(open_client(), settings)
    names = {"1": "Åsa", "2": "Zoe", "3": "Bo"}
    store(client, ({"roll_no": roll_no, "name": name, "branch": "b", "marks": {}} for roll_no, name in names.items()))
    first = client.get("/students?sort=name&limit=1")
    assert roll_numbers(*pages(client, "/students?sort=name")) == ["1", "3", "2"]
    swedish = configured(settings, locale="sv")

    with pytest.raises(StartupError, match=r"lacks the migrations students/m0004_sort_keys\."):
        open_client(locale="sv")
    asyncio.run(migrate(swedish))

    in_swedish = open_client(locale="sv")
    in_swedish.headers["Authorization"] = client.headers["Authorization"]
    assert roll_numbers(*pages(in_swedish, "/students?sort=name&limit=2")) == ["3", "2", "1"]
    assert in_swedish.get(first.links["next"]["url"]).status_code == 404


async def migrate(settings: Settings) -> None:
    use_settings(settings)
    async with open_database(settings) as database:
        assert await run(database, [module], 5, print) == 1
