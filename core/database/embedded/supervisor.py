"""The process that owns mongod: `python -I supervisor.py DATA_FOLDER GRACE COMMAND…`.

It is nobody's worker: apps start it, and it outlives them. It knows of them by the lease alone, a file on which each
holds a shared lock that the kernel drops however the app dies. Once the lease has been free for GRACE seconds it
stops mongod, while holding the lease itself so that no app can arrive in between.

It runs by path and stands on the standard library alone. It stays single-threaded: the kernel ties mongod's life to
the thread that started it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEASE = "lease"
LOCK = "supervisor.lock"
MONGOD_LOCK = "mongod.pid"
FAILURE = "failure.json"
LOG = "mongod.log"

_TICK = 0.1
_ELECTION = 1.0
_ORPHAN = 2.0
_STOP = 10.0
# A mongod that dies sooner is not started again from here: apps do that, every second, for as long as they live.
_STEADY = 3.0
_LONGEST_LOG = 5 * 2**20
_TAIL = 16 * 2**10
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run until mongod is not needed or fails, or at once leave it to the supervisor that there is."""
    folder, grace, *command = arguments
    root = Path(folder)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    os.umask(0o077)
    with _opened(root / LOCK) as lock:
        if not _lock_within(_ELECTION, lock):
            return 0
        os.chdir("/")
        _open_log(root / LOG)
        with _opened(root / MONGOD_LOCK) as mongod_lock, _opened(root / LEASE) as lease:
            _end_orphan(mongod_lock)
            Supervisor(root, float(grace), command, lock, mongod_lock, lease).serve()
    return 0


@dataclass(frozen=True)
class Supervisor:
    """The elected one. `lock` proves that, `mongod_lock` is held for as long as this or mongod lives."""

    root: Path
    grace: float
    command: list[str]
    lock: int
    mongod_lock: int
    lease: int

    def serve(self) -> None:
        """Keep mongod running until nobody needs it, or until it fails."""
        while True:
            started, offset = time.monotonic(), (self.root / LOG).stat().st_size
            try:
                process = _start(self.command, self.mongod_lock)
            except OSError as error:
                return self._report(127, str(error))
            try:
                if self._watch(process):
                    return None
            finally:
                _stop(process)
            if time.monotonic() - started < _STEADY:
                return self._report(process.returncode, tail(self.root / LOG, offset))
            _say(f"mongod ended with status {process.returncode}; starting it again")

    def _watch(self, process: "subprocess.Popen[bytes]") -> bool:
        """True when mongod is to stop; the lease is then held. False when it has ended by itself."""
        needed = time.monotonic()
        while process.poll() is None:
            if not _try_lock(self.lease):
                needed = time.monotonic()
            elif time.monotonic() - needed >= self.grace:
                return True
            else:
                fcntl.flock(self.lease, fcntl.LOCK_UN)
            if self._is_displaced():
                # A tidy stop would write to files of that name, which may be another mongod's by now.
                process.kill()
                return True
            time.sleep(_TICK)
        return False

    def _is_displaced(self) -> bool:
        """Whether the folder was removed or moved away, so that its path may come to belong to another."""
        try:
            return not os.path.samestat((self.root / LOCK).stat(), os.fstat(self.lock))
        except OSError:
            return True

    def _report(self, code: int, output: str) -> None:
        """Tell the apps that wait. The time makes each report differ from the last."""
        scratch = self.root / f"{FAILURE}.new"
        scratch.write_text(json.dumps({"at": time.time_ns(), "code": code, "output": output}), encoding="utf-8")
        scratch.replace(self.root / FAILURE)


def _start(command: list[str], mongod_lock: int) -> "subprocess.Popen[bytes]":
    supervisor = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def prepare() -> None:  # pragma: no cover (runs in the child, before exec)
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(1)
        os.ftruncate(mongod_lock, 0)
        os.pwrite(mongod_lock, f"{os.getpid()} {os.getsid(0)}".encode(), 0)

    # There is one thread here, so that code may run between fork and exec.
    return subprocess.Popen(  # noqa: S603 (the mongod that was found, with our own options)
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=[mongod_lock],
        preexec_fn=prepare,  # noqa: PLW1509 (unsafe with threads only)
    )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        _say("mongod does not stop; killing it")
        process.kill()
        process.wait()


def _end_orphan(mongod_lock: int) -> None:
    """Never two mongods on a folder: outwait the last one, and end it if its supervisor left it behind.

    That happens where the kernel cannot tie it to the supervisor (macOS). The session guards against a process that
    has come by the same number since.
    """
    if _lock_within(_ORPHAN, mongod_lock):
        return
    pid, session = map(int, os.pread(mongod_lock, 64, 0).split())
    with contextlib.suppress(ProcessLookupError):
        if os.getsid(pid) == session:
            _say(f"ending mongod {pid}, which has no supervisor")
            os.kill(pid, signal.SIGKILL)
    if not _lock_within(_STOP, mongod_lock):
        raise SystemExit(f"another mongod holds {MONGOD_LOCK}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_within(seconds: float, descriptor: int) -> bool:
    """Try for some time: an app that looks whether the lock is held is in the way for a moment."""
    deadline = time.monotonic() + seconds
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK / 5)
    return True


def _open_log(path: Path) -> None:
    """Send all that this process and mongod say to one file, and set that aside when it has grown long."""
    if path.exists() and path.stat().st_size > _LONGEST_LOG:
        path.replace(path.with_name(f"{LOG}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def tail(path: Path, offset: int = 0) -> str:
    """The end of a log, from no earlier than an offset in bytes."""
    with path.open("rb") as log:
        log.seek(max(offset, path.stat().st_size - _TAIL))
        return log.read().decode("utf-8", "replace")


def _say(text: str) -> None:
    print(f"supervisor: {text}", file=sys.stderr, flush=True)


def _leave(*_: object) -> None:
    """On SIGTERM, say from a service manager that ends everything, stop mongod in order."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
