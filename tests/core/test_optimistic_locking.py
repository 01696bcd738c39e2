"""Tests of versioned documents: no write replaces a version that its writer has not seen."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from anyio.from_thread import BlockingPortal

from core.api.etag import UNCONDITIONAL, EntityTags, Preconditions
from core.api.optimistic_locking import MAX_TRIES, Versioned, write_current
from core.errors import PreconditionFailed, Unavailable
from tests.conftest import AppClient
from tests.core.stubs import stub


class Counter(Versioned):
    """A number that concurrent writers increment."""

    number: int = 0

    class Settings:
        name = "counters"


@pytest.fixture(params=["mongod", "memory"])
def portal(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> BlockingPortal:
    """Return a portal to run coroutines in an app with the collection: once on the real mongod, once in memory."""
    changes: dict[str, object] = {}
    if request.param == "memory":
        monkeypatch.setattr("core.database.client.find_mongod", lambda *_: None)
        changes = {"mongodb_url": None, "allow_memory_db": True}
    portal = open_client([stub(documents=(Counter,))], **changes).portal
    assert portal
    return portal


async def only() -> Counter:
    (counter,) = await Counter.find_all().to_list()
    return counter


async def increment(expects: Preconditions = UNCONDITIONAL) -> Counter:
    return await write_current(only, expects, lambda counter: counter.change({"number": counter.number + 1}))


def test_a_change_creates_the_next_version(portal: BlockingPortal) -> None:
    first = portal.call(Counter().insert)

    second = portal.call(increment)

    assert (first.version, second.version, second.number) == (1, 2, 1)
    assert first.etag != second.etag
    assert second.created_at == first.created_at <= second.updated_at
    assert portal.call(only) == second


def test_an_outdated_version_is_neither_changed_nor_removed(portal: BlockingPortal) -> None:
    first = portal.call(Counter().insert)
    second = portal.call(increment)

    assert portal.call(first.change, {"number": 7}) is None
    assert portal.call(first.remove) is None

    assert portal.call(only) == second


def test_a_removed_document_is_gone(portal: BlockingPortal) -> None:
    portal.call(Counter().insert)

    removed = portal.call(partial(write_current, only, UNCONDITIONAL, Counter.remove))

    assert removed.version == 1
    assert portal.call(Counter.find_all().to_list) == []


def test_a_write_that_expects_another_version_is_refused(portal: BlockingPortal) -> None:
    first = portal.call(Counter().insert)
    second = portal.call(increment, Preconditions(EntityTags(frozenset([first.etag]))))

    with pytest.raises(PreconditionFailed) as refused:
        portal.call(increment, Preconditions(EntityTags(frozenset([first.etag]))))

    assert refused.value.headers["ETag"] == second.etag
    assert portal.call(only) == second


def test_no_concurrent_write_is_lost(portal: BlockingPortal) -> None:
    portal.call(Counter().insert)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: portal.call(increment), range(40)))

    counter = portal.call(only)
    assert (counter.number, counter.version) == (40, 41)


def test_a_writer_that_always_conflicts_gives_up(portal: BlockingPortal) -> None:
    portal.call(Counter().insert)
    tries = 0

    async def write_after_another(counter: Counter) -> Counter | None:
        nonlocal tries
        tries += 1
        await counter.change({"number": -1})
        return await counter.change({"number": 7})

    with pytest.raises(Unavailable):
        portal.call(write_current, only, UNCONDITIONAL, write_after_another)

    assert tries == MAX_TRIES
    assert portal.call(only).number == -1
