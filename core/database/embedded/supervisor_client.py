"""An app's side of the supervisor: start it, restart it if it dies, and read its failure reports."""

import asyncio
import errno
import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.database.embedded import supervisor
from core.database.embedded.command import command
from core.database.embedded.data_folder import DataFolder
from core.database.embedded.disk_space import DiskSpace
from core.database.embedded.failure_messages import explain, was_killed
from core.database.embedded.lease import is_locked
from core.database.embedded.mongod_binary import Mongod
from core.database.embedded.replica_set import is_writable
from core.errors import StartupError

log = logging.getLogger(__name__)

_RETRY = 0.02
_CHECK = 1.0


class _Supervisor(subprocess.Popen[bytes]):
    def __del__(self) -> None:
        """Do nothing: `Popen` would warn that the supervisor is still running, but it is meant to outlive this
        process."""


# The supervisors that this process has started and not yet reaped.
_started: list[_Supervisor] = []


@dataclass(frozen=True)
class _Failure:
    code: int
    output: str


class SupervisorClient:
    """Keep a supervisor running for one data folder. Use it while holding the folder's lease."""

    def __init__(self, mongod: Mongod, folder: DataFolder, grace: float) -> None:
        self._mongod = mongod
        self._folder = folder
        self._grace = grace
        self._child: _Supervisor | None = None
        self.disk_space = DiskSpace(folder.root)
        self._last_report = self._report()
        self.last_problem = ""

    async def start(self) -> None:
        """Wait until mongod accepts writes. Raise `StartupError` if it cannot run here."""
        self.disk_space.refresh()
        while True:
            failure = self._check()
            if failure is not None and not was_killed(failure.code):
                raise StartupError(self.last_problem)
            if _listens(self._folder.socket) and await is_writable(self._folder.socket):
                return
            await asyncio.sleep(_RETRY)

    async def watch(self) -> None:
        """Restart a supervisor that has died, which restarts mongod, and monitor the disk space, until cancelled."""
        while True:
            await asyncio.sleep(_CHECK)
            try:
                self.disk_space.refresh()
                while self._check() is not None:
                    log.error("The embedded MongoDB failed and is being restarted: %s", self.last_problem)
            except OSError as error:
                log.error(  # noqa: TRY400 (the text contains the reason)
                    "The data folder %s cannot be used: %s", self._folder.root, error.strerror
                )
            except Exception:
                # Whatever the error, the next attempt may restart the database.
                log.exception("The check of the embedded MongoDB failed")

    def _check(self) -> _Failure | None:
        """Start a supervisor unless one is running. Return a new failure, if there is one."""
        failure = self._crash() or self._new_report()
        if failure is not None:
            # On a full disk, mongod could not write the error to its log either.
            output = f"{failure.output}\n{os.strerror(errno.ENOSPC)}" if self.disk_space.is_full else failure.output
            self.last_problem = f"{explain(failure.code, output)} Its log is {self._folder.log}"
        elif self._child is None and not is_locked(self._folder.root / supervisor.LOCK):
            self._child = _spawn(self._mongod, self._folder, self._grace)
        return failure

    def _crash(self) -> _Failure | None:
        """Discard the child process if it has exited, and return a failure if its exit status is not 0. The status is 0
        if another supervisor was elected, mongod is no longer needed, or mongod's failure was reported."""
        _started[:] = [child for child in _started if child.poll() is None]
        if self._child is None or self._child.returncode is None:
            return None
        code, self._child = self._child.returncode, None
        return _Failure(code, supervisor.tail(self._folder.log)) if code else None

    def _new_report(self) -> _Failure | None:
        report = self._report()
        if report is None or report == self._last_report:
            return None
        self._last_report = report
        content = json.loads(report)
        return _Failure(content["code"], content["output"])

    def _report(self) -> str | None:
        try:
            return (self._folder.root / supervisor.FAILURE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None


def _spawn(mongod: Mongod, folder: DataFolder, grace: float) -> _Supervisor:
    arguments = [str(folder.root), str(grace), *command(mongod, folder)]
    with open(folder.log, "ab", opener=partial(os.open, mode=0o600)) as output:
        child = _Supervisor(
            # Isolated mode: this folder and PYTHONPATH must not shadow the standard library.
            [sys.executable, "-I", supervisor.__file__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | mongod.environment,
            start_new_session=True,
        )
    _started.append(child)
    return child


def _listens(path: Path) -> bool:
    """Return whether a process accepts connections on a socket, whose file remains after a crash."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(os.fspath(path)) == 0
