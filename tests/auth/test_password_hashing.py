"""Tests of password hashing in threads, with a bounded queue."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from core.errors import InvalidRequest, TooManyRequests, Unavailable
from core.middleware.client_address import RequestContext, use_request_context
from core.security import hash_password, verify_password
from core.settings import Settings, use_settings
from modules.auth import password_hashing
from modules.auth.hashing_queue import FlowLimits
from tests.conftest import configured

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _use_settings_with_cheap_hashing(settings: Settings) -> Iterator[None]:
    token = use_settings(settings)
    yield
    token.var.reset(token)


async def test_hashing_does_not_block_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: str(release.wait(10)))

    hashing = asyncio.create_task(password_hashing.hash_of("secure123"))
    await asyncio.sleep(0)  # starts the task, which would block here if it hashed in the event loop
    assert not hashing.done()
    release.set()

    assert await hashing == "True"


async def hash_for_client(address: str, *, registering: bool = False) -> str:
    """Hash a password for a client with this address."""
    use_request_context(RequestContext(request_id="-", address=address))
    if registering:
        return await password_hashing.hash_new("giraffe-9-umbrella", "#/password", registering=True)
    return await password_hashing.hash_of("secure123")


def refused(results: Sequence[object]) -> list[type[object]]:
    return [type(result) for result in results if not isinstance(result, str)]


@pytest.fixture
def release(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return an event that starts the hashing, with a queue of 30 places."""
    use_settings(configured(settings, max_concurrent_requests=60))
    release = threading.Event()
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: str(release.wait(10)))
    yield release
    release.set()


@pytest.mark.parametrize("network", ["192.0.2.7", "2001:db8::{}"])
async def test_one_address_gets_at_most_two_fifths_of_the_queue(release: threading.Event, network: str) -> None:
    flood = [asyncio.create_task(hash_for_client(network.format(number))) for number in range(14)]
    others = [asyncio.create_task(hash_for_client(f"198.51.100.{number}")) for number in range(12)]
    await asyncio.sleep(0)
    release.set()

    assert refused(await asyncio.gather(*flood, return_exceptions=True)) == [TooManyRequests] * 2
    assert refused(await asyncio.gather(*others, return_exceptions=True)) == []


async def test_registrations_get_a_fifth_of_the_queue_and_one_address_a_third_of_that(release: threading.Event) -> None:
    one = [asyncio.create_task(hash_for_client("192.0.2.7", registering=True)) for _ in range(4)]
    many = [asyncio.create_task(hash_for_client(f"192.0.2.1{number}", registering=True)) for number in range(6)]
    signing_in = [asyncio.create_task(hash_for_client("192.0.2.7")) for _ in range(8)]
    await asyncio.sleep(0)
    release.set()

    assert refused(await asyncio.gather(*one, return_exceptions=True)) == [TooManyRequests] * 2
    assert refused(await asyncio.gather(*many, return_exceptions=True)) == [Unavailable] * 2
    assert refused(await asyncio.gather(*signing_in, return_exceptions=True)) == []


async def test_a_weak_password_waits_in_the_queue_and_is_not_hashed(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.set()
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: 1 // 0)
    entered: list[str] = []
    run = password_hashing._queue.run

    async def counted(work: Callable[[], str], limits: FlowLimits, capacity: int) -> str:
        entered.append(limits.flow)
        return await run(work, limits, capacity)

    monkeypatch.setattr(password_hashing._queue, "run", counted)
    with pytest.raises(InvalidRequest):
        await password_hashing.hash_new("password1", "#/password", registering=True)
    assert entered == ["registering"]


async def test_only_the_right_password_matches() -> None:
    hashed = hash_password("secure123", 4)

    assert await password_hashing.matches("secure123", hashed)
    assert not await password_hashing.matches("secure124", hashed)


@pytest.mark.parametrize("password", ["", "secure123", "p" * 73, "a\0b"])
async def test_a_missing_account_costs_one_verification_and_never_matches(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []

    def verify(password: str, hashed: str) -> bool:
        verified.append(hashed)
        return verify_password(password, hashed)

    monkeypatch.setattr(password_hashing, "verify_password", verify)

    assert not await password_hashing.matches(password, None)
    assert len(verified) == 1
    assert verified[0].startswith("$2b$04$")


@pytest.mark.parametrize("cost", [4, 5, 6])
async def test_a_wrong_password_takes_the_same_work_for_any_cost_of_its_hash(
    cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []

    def verify(password: str, hashed: str) -> bool:
        spent.append(2 ** int(hashed.split("$")[2]))
        return verify_password(password, hashed)

    monkeypatch.setattr(password_hashing, "verify_password", verify)
    use_settings(configured(Settings(), bcrypt_cost=6))

    assert not await password_hashing.matches("wrong", hash_password("right", cost))
    assert sum(spent) == 2**6
