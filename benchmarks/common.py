"""What every benchmark needs: a real server on a folder of its own, clocks, and where the figures were made."""

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
    """An answer whose status does not belong there."""


def expect(answer: httpx2.Response, *statuses: int) -> httpx2.Response:
    """The answer; raises `UnexpectedStatus` if its status is none of these."""
    if answer.status_code not in statuses:
        request = answer.request
        raise UnexpectedStatus(f"{request.method} {request.url.path}: {answer.status_code} {answer.text}")
    return answer


def milliseconds_since(start: float) -> float:
    """From a time of `time.perf_counter` until now."""
    return (time.perf_counter() - start) * 1000


def environment(folder: Path) -> dict[str, str]:
    """What no setting of whoever runs this may change; an empty one counts as not set."""
    return {"MONGODB_URL": "", "DATA_DIR": str(folder / "data"), "ALLOW_MEMORY_DB": "0", "REGISTRATION": "open"}


@contextmanager
def server(**settings: str) -> Iterator[tuple[Server, Path]]:
    """The service with its embedded MongoDB, on a new folder that is removed once nothing runs on it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        try:
            with serve(folder, **environment(folder), **settings) as service:
                yield service, folder
        finally:
            until(lambda: not running(folder))


def surroundings(service: Server) -> dict[str, Any]:
    """When, where and on what the figures of a service with the embedded MongoDB were made."""
    mongod = service.log.read_text().partition("embedded MongoDB ")[2].split(" ")[0]
    return conditions(mongod) | {"pid": service.process.pid}


def conditions(mongod: str) -> dict[str, Any]:
    """When, where and on what figures were made, with this version of MongoDB."""
    versions = {"python": platform.python_version(), "mongod": mongod} | {name: version(name) for name in PACKAGES}
    machine = {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()}
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "versions": versions}


def processor() -> str:
    """Its model's name, where Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
