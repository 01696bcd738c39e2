"""The folder in which the workers of one server share their metrics.

Servers that start several workers (`uvicorn --workers`, `--reload`) create them with `multiprocessing` and run none of
the service's code before, so each worker must find the folder by itself. The folder is named after the authentication
key: random bytes that `multiprocessing` passes to all child processes and to no other process. A restarted server has a
new key, so it counts from zero. A process that is not such a child keeps its metrics in memory and needs no folder.

Each worker holds a shared lock on the folder and an exclusive lock on its own file in it. The kernel releases both when
the worker exits or crashes. So the last worker to leave can detect that it is the last, and the worker that exports the
metrics can detect which workers are dead.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from multiprocessing import current_process
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable from which the library reads the folder, once, when it is imported."""

_PREFIX = "students-api-metrics-"


class Worker:
    """The current process as one of a server's workers."""

    def __init__(self, folder: Path) -> None:
        """Join the workers in `folder`, which the first worker creates."""
        self.folder = folder
        self._folder_lock = _join(folder)
        self._own_lock = _create_own_file(folder)

    def remove_dead_workers(self) -> None:
        """Remove the gauges of dead workers. Their counters and histograms are kept."""
        for file in self.folder.glob("*.worker"):
            if file.stem != str(os.getpid()):
                with _try_lock_file(file) as dead:
                    if dead:
                        _remove_gauges(self.folder, file.stem)

    def leave(self) -> None:
        """Remove this worker's gauges, and the folder if no other worker uses it."""
        _remove_gauges(self.folder, str(os.getpid()))
        if _try_lock(self._folder_lock):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._own_lock)
        os.close(self._folder_lock)


def _join(folder: Path) -> int:
    """Take a shared lock on the folder and return its file descriptor."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if folder.exists() and os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
        os.close(descriptor)  # the last worker has just left and removed the folder


def _create_own_file(folder: Path) -> int:
    """Create and lock this worker's own file, and return its file descriptor.

    The file gets its final name only after it is locked. Files of an earlier process with the same process id are
    removed first.
    """
    pid = str(os.getpid())
    _remove_gauges(folder, pid)
    file = folder / f"{pid}.arriving"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    file.rename(file.with_suffix(".worker"))
    return descriptor


def _remove_gauges(folder: Path, pid: str) -> None:
    """Remove the gauges and the lock file of a worker."""
    for file in (*folder.glob(f"gauge_live*_{pid}.db"), folder / f"{pid}.worker"):
        file.unlink(missing_ok=True)


@contextmanager
def _try_lock_file(path: Path) -> Iterator[bool]:
    """Lock a file or folder for the duration of the context; yield False if that fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # it has been removed in the meantime, or belongs to another user
        yield False
        return
    try:
        yield _try_lock(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Take an exclusive lock without waiting. Return False if another process holds a lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove the folders of servers whose last worker was killed."""
    for folder in folders:
        with _try_lock_file(folder) as abandoned:
            if abandoned:
                shutil.rmtree(folder, ignore_errors=True)


def _find() -> Worker | None:
    # The name, because `parent_process()` is not set yet while `multiprocessing` runs the parent's script, such as
    # `main.py`, in a child process.
    if current_process().name == "MainProcess":
        os.environ.pop(VARIABLE, None)
        return None
    folders = Path(tempfile.gettempdir())
    ours = folders / (_PREFIX + blake2b(current_process().authkey, digest_size=16).hexdigest())
    _remove_abandoned(set(folders.glob(f"{_PREFIX}*")) - {ours})
    os.environ[VARIABLE] = str(ours)
    return Worker(ours)


current = _find()
"""The current process as a worker; None if it is the server's only process."""


@contextmanager
def leave_at_end() -> Iterator[None]:
    """Leave the folder at the end of the context, in which the process serves requests."""
    try:
        yield
    finally:
        if current:
            current.leave()
