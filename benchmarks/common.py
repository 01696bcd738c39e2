"""Shared parts of the benchmarks: a real server with its own folder, timing, and a description of the environment."""

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2

from tests.processes import running, until
from tests.servers import Server, serve

PACKAGES = ("fastapi", "starlette", "uvicorn", "motor", "pymongo", "beanie", "passlib", "bcrypt", "httpx2")


class UnexpectedStatus(Exception):
    """A response with an unexpected status."""


def expect(answer: httpx2.Response, *statuses: int) -> httpx2.Response:
    """Return the response. Raise `UnexpectedStatus` if its status is not one of these."""
    if answer.status_code not in statuses:
        request = answer.request
        raise UnexpectedStatus(f"{request.method} {request.url.path}: {answer.status_code} {answer.text}")
    return answer


def milliseconds_since(start: float) -> float:
    """Return the milliseconds since `start`, a value of `time.perf_counter`."""
    return (time.perf_counter() - start) * 1000


def environment(folder: Path) -> dict[str, str]:
    """Return environment variables that override the settings of the user's shell. An empty value means not set."""
    return {"MONGODB_URL": "", "DATA_DIR": str(folder / "data"), "ALLOW_MEMORY_DB": "0", "REGISTRATION": "open"}


@contextmanager
def server(**settings: str) -> Iterator[tuple[Server, Path]]:
    """Run the service with its embedded MongoDB in a new folder, which is removed after all processes have ended."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        try:
            with serve(folder, **environment(folder), **settings) as service:
                yield service, folder
        finally:
            until(lambda: not running(folder))


def surroundings(service: Server) -> dict[str, Any]:
    """Return the date, machine and versions of a measurement of a service with the embedded MongoDB."""
    mongod = service.log.read_text().partition("embedded MongoDB ")[2].split(" ")[0]
    return conditions(mongod) | {"pid": service.process.pid}


def conditions(mongod: str) -> dict[str, Any]:
    """Return the date, machine and versions of a measurement with this version of MongoDB."""
    versions = {"python": platform.python_version(), "mongod": mongod} | {name: version(name) for name in PACKAGES}
    machine = {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()}
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "versions": versions}


def processor() -> str:
    """Return the model name of the processor, as far as the system reports it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
