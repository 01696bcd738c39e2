"""Tests of `/readyz`, which checks the database and the modules."""

import asyncio

import pytest

import core.operations.health
from tests.conftest import AppClient
from tests.core.stubs import stub


async def healthy() -> None:
    pass


async def unhealthy() -> None:
    raise RuntimeError("hunter2 is inside")


async def stuck() -> None:
    await asyncio.Event().wait()


def test_the_database_and_the_modules_are_checked(open_client: AppClient) -> None:
    answer = open_client([stub(health_check=healthy)]).get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "checks": {"database": "ok", "stub": "ok"}})


def test_a_module_without_a_check_is_not_listed(open_client: AppClient) -> None:
    assert open_client([stub()]).get("/readyz").json()["checks"] == {"database": "ok"}


def test_a_failed_check_is_named_and_its_error_logged(open_client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = open_client([stub(health_check=unhealthy)]).get("/readyz")

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert "stub" in answer.json()["detail"]
    assert "Retry-After" in answer.headers
    assert "hunter2" not in answer.text
    (record,) = [record for record in caplog.records if record.name == "core.operations.health"]
    assert "hunter2 is inside" in str(record.exc_info)


def test_a_check_that_times_out_counts_as_failed(open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.operations.health, "CHECK_SECONDS", 0.05)

    assert open_client([stub(health_check=stuck)]).get("/readyz").status_code == 503
