"""What is counted of accounts."""

import asyncio
import threading

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings, use_settings
from modules.auth import password_hashing
from tests.conftest import AppClient, sign_in
from tests.measured import told
from tests.processes import until

FAILURES = "auth_failures_total"


def refused() -> dict[str, float]:
    return {reason: told(FAILURES, reason=reason) for reason in ("password", "token", "throttled")}


def more_than(before: dict[str, float]) -> dict[str, float]:
    return {reason: count - before[reason] for reason, count in refused().items() if count > before[reason]}


def test_what_is_refused_is_counted_by_its_reason(open_client: AppClient) -> None:
    client = sign_in(open_client(login_failures=2))
    before = refused()
    assert client.get("/me").status_code == 200
    assert more_than(before) == {}

    for _ in range(3):
        client.post("/login", data={"username": "alice", "password": "hunter2-hunter2"})
    assert more_than(before) == {"password": 2, "throttled": 1}

    before = refused()
    assert client.get("/me", headers={"Authorization": "Bearer hunter2"}).status_code == 401
    assert more_than(before) == {"token": 1}
    assert client.get("/me", headers={"Authorization": ""}).status_code == 401  # says who they are to nobody
    assert more_than(before) == {"token": 1}


def test_a_wrong_current_password_is_counted(client: TestClient) -> None:
    sign_in(client)
    before = refused()
    body = {"current_password": "hunter2-hunter2", "new_password": "giraffe-9-umbrella"}
    assert client.post("/me/password", json=body).status_code == 422
    assert more_than(before) == {"password": 1}


def queue() -> tuple[float, float]:
    return told("auth_passwords_running"), told("auth_passwords_waiting")


@pytest.mark.anyio
async def test_the_queue_of_passwords_is_counted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    use_settings(settings)
    release = threading.Event()
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: str(release.wait(30)))
    threads = password_hashing._THREADS
    tasks = [asyncio.create_task(password_hashing.hash_of("secure123")) for _ in range(threads + 3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(until, lambda: queue() == (threads, 3))

    tasks[-1].cancel()  # who leaves the queue waits no more
    await asyncio.gather(tasks[-1], return_exceptions=True)
    assert queue() == (threads, 2)

    release.set()
    await asyncio.gather(*tasks[:-1])
    await asyncio.to_thread(until, lambda: queue() == (0, 0))


@pytest.mark.anyio
async def test_a_hash_that_fails_leaves_nothing_in_the_queue(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    use_settings(settings)
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await password_hashing.hash_of("secure123")
    assert queue() == (0, 0)
