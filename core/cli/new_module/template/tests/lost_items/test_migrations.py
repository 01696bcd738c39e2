# with migration
"""Tests of the migrations of lost items."""

import asyncio
from typing import Any

from pymongo import MongoClient

from core.database import open_database
from core.settings import Settings
from modules.lost_items.migrations.m0001_names import Forward


async def migrate(settings: Settings) -> None:
    step: Any = Forward.complete
    async with open_database(settings) as database:
        await database.bind(step.models)
        await step.run(session=None)


def test_names_are_completed(settings: Settings, mongodb: MongoClient[dict[str, Any]]) -> None:
    stored = mongodb[settings.mongodb_database]["lost_items"]
    stored.insert_many([{"code": "A1"}, {"code": "A2", "name": "Umbrella"}])

    for _ in range(2):  # the second time as after a crash
        asyncio.run(migrate(settings))

    assert [one["name"] for one in stored.find(sort=[("code", 1)])] == ["(unknown)", "Umbrella"]
