"""Run the service as a process of its own, which is reached over HTTP."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.exchanges import HOOKS, SERVER_LOGS
from tests.processes import ROOT, until

# The most seconds to wait for anything: many, because a machine that tests on all its cores can be slow.
PATIENCE = 60.0


# All tests share the address 127.0.0.1.
NO_LIMITS = {"LOGIN_ATTEMPTS_PER_ADDRESS": "1000000", "REGISTRATIONS_PER_ADDRESS": "1000000"}


class Server:
    """A running service on a data folder of its own; `log` is its log file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log
        self.url = ""

    def client(self) -> httpx2.Client:
        """Return a client of this server. The caller must close it."""
        return httpx2.Client(base_url=self.url, timeout=PATIENCE, verify=False, event_hooks=HOOKS)

    def log_lines(self) -> list[dict[str, object]]:
        """Return what the service has logged so far, without lines of other programs."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def errors(self) -> list[dict[str, object]]:
        """Return the lines that the service has logged as errors."""
        return [line for line in self.log_lines() if line["level"] in ("ERROR", "CRITICAL")]

    def wait_until_listening(self) -> None:
        """Wait until the log contains the URL of the service."""
        self.url = until(self._address)

    def wait_until_ready(self) -> None:
        """Wait until the service listens, and then until /readyz answers with success."""
        self.wait_until_listening()
        until(self._ready)

    def kill(self) -> None:
        """Kill the process and its workers, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask the process to stop, as Ctrl-C does. Return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def _address(self) -> str | None:
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
        found = re.search(r"running on (https?://(?:[\d.]+|\[::\]):\d+)", self.log.read_text())
        return found and found.group(1)

    def _ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=PATIENCE, verify=False).is_success
        except httpx2.TransportError:
            return False


def start(folder: Path, *command: str, **environment: str) -> Server:
    """Start Python with these arguments as a server on the data folder `folder/data`. Do not wait for it."""
    log = folder / "server.log"
    SERVER_LOGS.append(log)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,  # no `.env` of whoever runs the tests
            env=os.environ | {"PORT": "0", "BCRYPT_COST": "4", **NO_LIMITS, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Server(process, log)


def launch(folder: Path, *command: str, **environment: str) -> Server:
    """Start a server like `start`, and wait until it is ready."""
    server = start(folder, *command, **environment)
    try:
        server.wait_until_ready()
    except BaseException:
        server.kill()
        raise
    return server


@contextmanager
def stopped(server: Server) -> Iterator[Server]:
    """Stop a server at the end of the context, unless it has ended already."""
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


@contextmanager
def serve(folder: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    """Run `python main.py`, or `uvicorn` with `arguments`, on the data folder `folder/data`, which is kept."""
    command = ["-m", "uvicorn", "main:app", "--app-dir", str(ROOT), "--port", "0", *arguments]
    with stopped(launch(folder, *(command if arguments else [str(ROOT / "main.py")]), **environment)) as server:
        yield server
