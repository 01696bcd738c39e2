"""Hashing beside the event loop, with a bounded queue."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from core.errors import Unavailable
from core.security import hash_password, verify_password
from core.settings import Settings, use_settings
from modules.auth import passwords

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _cheap(settings: Settings) -> Iterator[None]:
    token = use_settings(settings)
    yield
    token.var.reset(token)


async def test_the_event_loop_goes_on_while_a_password_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "hash_password", lambda *_: str(release.wait(10)))

    hashing = asyncio.create_task(passwords.hash_of("secure123"))
    await asyncio.sleep(0)  # the task starts; were the hash inline, this would not return before it is done
    assert not hashing.done()
    release.set()

    assert await hashing == "True"


async def test_past_the_bounded_queue_the_answer_is_to_come_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "_places", threading.BoundedSemaphore(2))
    monkeypatch.setattr(passwords, "hash_password", lambda *_: str(release.wait(10)))
    waiting = [asyncio.create_task(passwords.hash_of("secure123")) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable) as refused:
        await passwords.hash_of("secure123")
    release.set()
    await asyncio.gather(*waiting)

    assert refused.value.headers == {"Retry-After": "5"}
    assert await passwords.hash_of("secure123") == "True"


async def test_the_right_password_matches_and_no_other() -> None:
    hashed = hash_password("secure123", 4)

    assert await passwords.matches("secure123", hashed)
    assert not await passwords.matches("secure124", hashed)


@pytest.mark.parametrize("password", ["", "secure123", "p" * 73, "a\0b"])
async def test_without_an_account_nothing_matches_but_the_work_is_done(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    def verify(password: str, hashed: str) -> bool:
        verified.append(hashed)
        return verify_password(password, hashed)

    monkeypatch.setattr(passwords, "verify_password", verify)

    assert not await passwords.matches(password, None)
    assert len(verified) == 1
    assert verified[0].startswith("$2b$04$")
