"""Tests of the invalidation of cached tokens when other processes change accounts."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar, copy_context
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
from modules.auth.token_cache import VerifiedToken, verified_tokens

pytestmark = pytest.mark.anyio

TIMEOUT_SECONDS = 30.0


def cache_token(token: str) -> None:
    entry = VerifiedToken(Principal("alice", Role.TEACHER), ObjectId(), time.time() + 60, time.monotonic() + 60)
    verified_tokens.add(token, entry, verified_tokens.changes)


def idle_change_streams(mongo: MongoClient[dict[str, Any]], database: str) -> int:
    """Return the number of change streams on accounts that are open and idle."""
    idle = mongo.admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": {"ns": f"{database}.users"}}])
    return sum(one["type"] == "idleCursor" for one in idle)


async def test_a_change_stream_is_open_after_its_first_item_and_reports_each_change(settings: Settings) -> None:
    assert settings.mongodb_url
    changed = [ObjectId() for _ in range(3)]
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as mongo:
        async with open_database(settings) as database:
            await database.bind([User], make_indexes=False)
            before = idle_change_streams(mongo, settings.mongodb_database)
            reports = aiter(watch_ids(User))
            assert await anext(reports) is None
            assert idle_change_streams(mongo, settings.mongodb_database) == before + 1
            for one in changed:
                user = {"_id": one, "username_key": str(one), "email_key": str(one)}
                mongo[settings.mongodb_database].users.insert_one(user)
            assert [await asyncio.wait_for(anext(reports), TIMEOUT_SECONDS) for _ in changed] == changed


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_reader_that_stops_early_leaves_nothing_behind(
    cancelled: bool, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as mongo:
        async with open_database(settings) as database:
            await database.bind([User], make_indexes=False)
            before = idle_change_streams(mongo, settings.mongodb_database)
            opened = asyncio.Event()

            async def read() -> set[ContextVar[Any]]:
                own = set(copy_context())
                reports = aiter(watch_ids(User))
                async for _ in reports:
                    opened.set()
                    if not cancelled:
                        break
                return set(copy_context()) - own

            reading = asyncio.create_task(read())
            await asyncio.wait_for(opened.wait(), TIMEOUT_SECONDS)
            if cancelled:
                reading.cancel()
            await asyncio.wait([reading])
            assert cancelled or reading.result() == set()
            gc.collect()  # closes the generator that was not read to its end, in another task
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while idle_change_streams(mongo, settings.mongodb_database) > before:  # noqa: ASYNC110 (the server's)
                    await asyncio.sleep(0.01)
    assert "different Context" not in caplog.text


async def test_tokens_cached_before_the_change_stream_is_open_are_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_settings(settings.with_parts(AuthSettings(auth_cache_seconds=5)))
    opening, opened = asyncio.Event(), asyncio.Event()

    async def slow_to_open(_: type[User]) -> AsyncIterator[ObjectId | None]:
        await opening.wait()
        yield None
        opened.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", slow_to_open)
    async with token_cache_invalidation.lifespan():
        cache_token("a.b.c")
        assert verified_tokens.find("a.b.c")
        opening.set()
        await asyncio.wait_for(opened.wait(), TIMEOUT_SECONDS)
        assert not verified_tokens.find("a.b.c")


async def _serve_and_fail() -> None:
    async with token_cache_invalidation.lifespan():
        await asyncio.sleep(0)
        cache_token("a.b.c")
        raise ZeroDivisionError


async def test_the_change_stream_ends_with_a_service_that_fails(
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
