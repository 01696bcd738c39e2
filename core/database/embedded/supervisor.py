"""The process that owns mongod: `python -I supervisor.py DATA_FOLDER GRACE COMMAND…`.

Apps start the supervisor, and it outlives them. It detects them only by the lease, a file on which each app holds a
shared lock, which the kernel releases whenever the app ends. Once the lease has been free for GRACE seconds the
supervisor stops mongod. It holds the lease meanwhile, so that no app can start in between.

The supervisor is run by path and uses the standard library alone. It is single-threaded, because the kernel ends mongod
when the thread that started it ends.
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
# The supervisor does not restart a mongod that ends sooner than this: apps retry every second while they run.
_STABLE = 3.0
_MAX_LOG_SIZE = 5 * 2**20
_TAIL = 16 * 2**10
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run until mongod is no longer needed or fails. Return at once if another supervisor is running."""
    folder, grace, *command = arguments
    root = Path(folder)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
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
    """The elected supervisor, which holds `lock`. `mongod_lock` is held until both the supervisor and mongod end."""

    root: Path
    grace: float
    command: list[str]
    lock: int
    mongod_lock: int
    lease: int

    def serve(self) -> None:
        """Keep mongod running until no app needs it, or until it fails."""
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
            if time.monotonic() - started < _STABLE:
                return self._report(process.returncode, tail(self.root / LOG, offset))
            _log(f"mongod exited with status {process.returncode}; restarting it")

    def _watch(self, process: "subprocess.Popen[bytes]") -> bool:
        """Return True when mongod is to be stopped, with the lease held; False when mongod has exited by itself."""
        needed = time.monotonic()
        while process.poll() is None:
            if not _try_lock(self.lease):
                needed = time.monotonic()
            elif time.monotonic() - needed >= self.grace:
                return True
            else:
                fcntl.flock(self.lease, fcntl.LOCK_UN)
            if self._is_displaced():
                # A clean shutdown would write to files under this path, which may belong to another mongod by now.
                process.kill()
                return True
            time.sleep(_TICK)
        return False

    def _is_displaced(self) -> bool:
        """Return whether the folder was removed or moved, so that another folder may take its path."""
        try:
            return not os.path.samestat((self.root / LOCK).stat(), os.fstat(self.lock))
        except OSError:
            return True

    def _report(self, code: int, output: str) -> None:
        """Write a failure report for the apps that wait. The timestamp makes each report differ from the previous."""
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

    # This process has one thread only, so it is safe to run code between fork and exec.
    return subprocess.Popen(  # noqa: S603 (the path and options come from this service)
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
        _log("mongod does not stop; killing it")
        process.kill()
        process.wait()


def _end_orphan(mongod_lock: int) -> None:
    """Wait for the previous mongod to end, and kill it if its supervisor has died: two must never share a folder.

    A mongod can outlive its supervisor on macOS, where the kernel cannot tie it to the supervisor. The session ID
    guards against killing an unrelated process that has got the same process ID since.
    """
    if _lock_within(_ORPHAN, mongod_lock):
        return
    pid, session = map(int, os.pread(mongod_lock, 64, 0).split())
    with contextlib.suppress(ProcessLookupError):
        if os.getsid(pid) == session:
            _log(f"killing mongod {pid}, which has no supervisor")
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
    """Try to lock for some time, because an app that checks the lock holds it for a moment."""
    deadline = time.monotonic() + seconds
    while not _try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK / 5)
    return True


def _open_log(path: Path) -> None:
    """Redirect the output of this process and of mongod to one file. Rename an old file that has grown too long."""
    if path.exists() and path.stat().st_size > _MAX_LOG_SIZE:
        path.replace(path.with_name(f"{LOG}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def tail(path: Path, offset: int = 0) -> str:
    """Return the last 16 KB of a log, starting no earlier than `offset` in bytes."""
    with path.open("rb") as log:
        log.seek(max(offset, path.stat().st_size - _TAIL))
        return log.read().decode("utf-8", "replace")


def _log(text: str) -> None:
    print(f"supervisor: {text}", file=sys.stderr, flush=True)


def _exit(*_: object) -> None:
    """Exit on SIGTERM or SIGINT, after a clean shutdown of mongod."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
