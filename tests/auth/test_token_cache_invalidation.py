"""Hearing of accounts that other processes change: what is told, and what is forgotten where nobody tells."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from core.database.bulk import watch_ids
from core.database.client import open_database
from core.identity import Principal, Role
from core.settings import Settings, use_settings
from modules.auth import token_cache_invalidation
from modules.auth.models import User
from modules.auth.settings import AuthSettings
from modules.auth.token_cache import Verified, verified_tokens

pytestmark = pytest.mark.anyio

PATIENCE = 30.0


def believe(token: str) -> None:
    entry = Verified(Principal("alice", Role.TEACHER), ObjectId(), time.time() + 60, time.monotonic() + 60)
    verified_tokens.keep(token, entry, verified_tokens.changes)


def watches(mongo: MongoClient[dict[str, Any]], database: str) -> int:
    """How many watches of accounts are open, and have nothing to tell at this moment."""
    idle = mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": {"ns": f"{database}.users"}}])
    return sum(one["type"] == "idleCursor" for one in idle)


async def test_once_it_is_said_to_be_open_a_watch_is_open_and_tells_of_each_change(settings: Settings) -> None:
    assert settings.mongodb_url
    changed = [ObjectId() for _ in range(3)]
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as mongo:
        async with open_database(settings) as database:
            await database.bind([User], make_indexes=False)
            before = watches(mongo, settings.mongodb_database)
            told = aiter(watch_ids(User))
            assert await anext(told) is None
            assert watches(mongo, settings.mongodb_database) == before + 1
            for one in changed:
                user = {"_id": one, "username_key": str(one), "email_key": str(one)}
                mongo[settings.mongodb_database].users.insert_one(user)
            assert [await asyncio.wait_for(anext(told), PATIENCE) for _ in changed] == changed


async def test_what_was_believed_before_the_watch_was_open_is_forgotten_then(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_settings(settings.with_parts(AuthSettings(auth_cache_seconds=5)))
    opening, opened = asyncio.Event(), asyncio.Event()

    async def slow(_: type[User]) -> AsyncIterator[ObjectId | None]:
        await opening.wait()
        yield None
        opened.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", slow)
    async with token_cache_invalidation.lifespan():
        believe("a.b.c")
        assert verified_tokens.find("a.b.c")
        opening.set()
        await asyncio.wait_for(opened.wait(), PATIENCE)
        assert not verified_tokens.find("a.b.c")


async def _serve_and_fail() -> None:
    async with token_cache_invalidation.lifespan():
        await asyncio.sleep(0)
        believe("a.b.c")
        raise ZeroDivisionError


async def test_however_the_service_ends_the_watch_ends_with_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_settings(settings.with_parts(AuthSettings(auth_cache_seconds=5)))

    async def quiet(_: type[User]) -> AsyncIterator[ObjectId | None]:
        yield None
        await asyncio.Event().wait()

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", quiet)
    before = asyncio.all_tasks()
    with pytest.raises(ZeroDivisionError):
        await _serve_and_fail()
    assert asyncio.all_tasks() == before
    assert not verified_tokens.find("a.b.c")
