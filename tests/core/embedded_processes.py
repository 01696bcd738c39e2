"""Processes for the tests of `core.embedded`: apps to start and kill, and a look at what is running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2]

T = TypeVar("T")


def until(condition: Callable[[], T], *, within: float = 20.0) -> T:
    """What the condition answers, once that is true."""
    deadline = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not so within {within} seconds"
        time.sleep(0.02)
    return answer


def running(data: Path) -> dict[int, list[str]]:
    """The supervisors and mongods of a data folder: process number to command line."""
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
        os.kill(pid, signal.SIGKILL)


class App:
    """Another process that uses the server of a data folder."""

    def __init__(self, data: Path, output: Path, *options: str, grace: float = 0.3) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.core.embedded_app", str(data), str(grace), *options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=file,
            )

    @property
    def lines(self) -> list[str]:
        """The complete lines that it has printed."""
        return self._output.read_text().split("\n")[:-1]

    def url(self) -> str:
        """The server's address, once it is up."""
        return until(lambda: self.lines or self._assert_alive())[0]

    def _assert_alive(self) -> list[str]:
        assert self.process.poll() is None, "the app ended before its server was up"
        return []

    def stop(self) -> None:
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)
