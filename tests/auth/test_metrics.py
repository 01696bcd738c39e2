"""Tests of the metrics of accounts."""

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


def failures() -> dict[str, float]:
    return {reason: told(FAILURES, reason=reason) for reason in ("password", "token", "throttled")}


def increases_since(before: dict[str, float]) -> dict[str, float]:
    return {reason: count - before[reason] for reason, count in failures().items() if count > before[reason]}


def test_failures_are_counted_by_reason(open_client: AppClient) -> None:
    client = sign_in(open_client(login_failures=2))
    before = failures()
    assert client.get("/me").status_code == 200
    assert increases_since(before) == {}

    for _ in range(3):
        client.post("/login", data={"username": "alice", "password": "hunter2-hunter2"})
    assert increases_since(before) == {"password": 2, "throttled": 1}

    before = failures()
    assert client.get("/me", headers={"Authorization": "Bearer hunter2"}).status_code == 401
    assert increases_since(before) == {"token": 1}
    assert client.get("/me", headers={"Authorization": ""}).status_code == 401  # no token, so no failure
    assert increases_since(before) == {"token": 1}


def test_a_wrong_current_password_is_counted(client: TestClient) -> None:
    sign_in(client)
    before = failures()
    body = {"current_password": "hunter2-hunter2", "new_password": "giraffe-9-umbrella"}
    assert client.post("/me/password", json=body).status_code == 422
    assert increases_since(before) == {"password": 1}


def queue_sizes() -> tuple[float, float]:
    return told("auth_passwords_running"), told("auth_passwords_waiting")


@pytest.mark.anyio
async def test_running_and_waiting_hashes_are_counted(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    use_settings(settings)
    release = threading.Event()
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: str(release.wait(30)))
    threads = password_hashing._THREADS
    tasks = [asyncio.create_task(password_hashing.hash_of("secure123")) for _ in range(threads + 3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(until, lambda: queue_sizes() == (threads, 3))

    tasks[-1].cancel()  # a cancelled task no longer waits in the queue
    await asyncio.gather(tasks[-1], return_exceptions=True)
    assert queue_sizes() == (threads, 2)

    release.set()
    await asyncio.gather(*tasks[:-1])
    await asyncio.to_thread(until, lambda: queue_sizes() == (0, 0))


@pytest.mark.anyio
async def test_the_queue_is_empty_after_a_failed_hash(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    use_settings(settings)
    monkeypatch.setattr(password_hashing, "hash_password", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await password_hashing.hash_of("secure123")
    assert queue_sizes() == (0, 0)
