"""Refusals are slow while there are many."""

import asyncio
from collections.abc import Iterator

import pytest

from core.errors import TooManyRequests
from core.settings import Settings, use_settings
from modules.auth import delayed_rejection
from tests.conftest import configured

pytestmark = pytest.mark.anyio


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[asyncio.Event]:
    """Return an event that ends all delays. The process handles at most 50 requests, of which 10 can be delayed."""
    use_settings(configured(settings, max_concurrent_requests=50))
    over = asyncio.Event()

    async def wait(_: float) -> None:
        await over.wait()

    monkeypatch.setattr(delayed_rejection, "_sleep", wait)
    monkeypatch.setattr(delayed_rejection, "_clock", lambda: 0.0)
    delayed_rejection._latest.clear()
    yield over
    delayed_rejection._latest.clear()


async def reject() -> None:
    await delayed_rejection.reject_with_delay(TooManyRequests("Too many.", retry_after=1))


async def start(count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(reject()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_a_flood_of_refusals_is_slowed_down_and_the_delay_is_bounded(delays: asyncio.Event) -> None:
    tasks = await start(delayed_rejection.IMMEDIATE_PER_SECOND + 25)

    waiting = [task for task in tasks if not task.done()]
    assert len(waiting) == 10
    assert waiting == tasks[delayed_rejection.IMMEDIATE_PER_SECOND :][:10]

    delays.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {TooManyRequests}


async def test_a_client_that_leaves_is_delayed_no_longer(delays: asyncio.Event) -> None:
    tasks = await start(delayed_rejection.IMMEDIATE_PER_SECOND + 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    later = await start(10)
    assert not any(task.done() for task in later)
    delays.set()
    await asyncio.gather(*later, return_exceptions=True)
