"""Run the jobs of modules in tests."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from core.module import Module
from core.registry import discover


def run_job(client: TestClient, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the work of a job once, in the event loop of the client's app, whether or not it is due. Raise its error."""
    assert isinstance(client.app, FastAPI)
    assert client.portal
    assert work in [runner.job.work for runner in client.app.state.jobs], "no module of the app declares this job"
    client.portal.call(work)


def without_jobs() -> list[Module]:
    """Return the modules of the service without their jobs, so that a test decides when their work is done."""
    return [replace(module, jobs=()) for module in discover()]
