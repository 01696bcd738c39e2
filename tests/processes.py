"""Find and kill the processes of an embedded database, and wait for conditions."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent

T = TypeVar("T")


def until(condition: Callable[[], T | None], *, within: float = 60.0) -> T:
    """Wait until the condition returns a true value, and return it. Poll it for at most `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"the condition was not met within {within} seconds"
        time.sleep(0.02)
    return answer


def running(data: Path) -> dict[int, list[str]]:
    """Return the supervisors and mongods of a data folder: process id to command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        ours = any(word == str(data) or word.startswith(f"{data}/") for word in words)
        if ours and state != "Z" and "tests.core.embedded_app" not in words:
            found[int(folder.name)] = words
    return found


def supervisors(data: Path) -> list[int]:
    return [pid for pid, words in running(data).items() if any(word.endswith("/supervisor.py") for word in words)]


def mongods(data: Path) -> list[int]:
    elected = supervisors(data)
    return [pid for pid in running(data) if pid not in elected]


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
