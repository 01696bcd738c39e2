"""Tests of the invalidation of cached tokens when other processes change accounts."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from core.database.bulk import ChangeStreamsUnsupported, watch_ids
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


def in_background(work: Callable[[], Coroutine[Any, Any, None]], settings: Settings) -> asyncio.Task[None]:
    use_settings(settings.with_parts(AuthSettings(auth_cache_seconds=5)))
    return asyncio.create_task(work())


async def test_tokens_cached_before_the_change_stream_is_open_are_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, opened = asyncio.Event(), asyncio.Event()

    async def slow_to_open(_: type[User]) -> AsyncIterator[ObjectId | None]:
        await opening.wait()
        yield None
        opened.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", slow_to_open)
    watching = in_background(token_cache_invalidation.watch_accounts, settings)
    cache_token("a.b.c")
    assert verified_tokens.find("a.b.c")
    opening.set()
    await asyncio.wait_for(opened.wait(), TIMEOUT_SECONDS)
    assert verified_tokens.watched
    assert not verified_tokens.find("a.b.c")
    watching.cancel()
    await asyncio.wait([watching], timeout=TIMEOUT_SECONDS)
    assert not verified_tokens.watched


async def test_a_change_stream_that_fails_leaves_no_token_and_raises(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(_: type[User]) -> AsyncIterator[ObjectId | None]:
        yield None
        cache_token("a.b.c")
        raise KeyError

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", failing)
    with pytest.raises(KeyError):
        await in_background(token_cache_invalidation.watch_accounts, settings)
    assert not verified_tokens.watched
    assert not verified_tokens.find("a.b.c")


async def test_without_change_streams_the_watch_goes_on_idle(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def unsupported(document: type[User]) -> AsyncIterator[ObjectId | None]:
        asked.append(document)
        raise ChangeStreamsUnsupported
        yield

    monkeypatch.setattr(token_cache_invalidation, "watch_ids", unsupported)
    watching = in_background(token_cache_invalidation.watch_accounts, settings)
    done, _ = await asyncio.wait([watching], timeout=0.05)
    assert (done, asked) == (set(), [User])
    watching.cancel()
