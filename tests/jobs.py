"""Run the jobs of modules in tests."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient


def run_job(client: TestClient, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the work of a job once, in the event loop of the client's app, whether or not it is due. Raise its error."""
    assert isinstance(client.app, FastAPI)
    assert client.portal
    assert work in [runner.job.work for runner in client.app.state.jobs], "no module of the app declares this job"
    client.portal.call(work)
