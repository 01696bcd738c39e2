"""The folder in which the workers of one server count together.

Whoever starts several workers (`uvicorn --workers`, `--reload`) makes them with `multiprocessing` and calls nothing of
ours before, so each worker finds the folder by itself. It is named after the authentication key: random bytes that
`multiprocessing` hands to all children of a process, and to nobody else. A server that is started again has another
key, so it counts from zero. A process that is no such child counts in its own memory, and needs no folder.

Each worker holds a shared lock on the folder and an exclusive one on a file of its own in it, and the kernel drops both
on any death. So the last one to leave knows that it is the last, and whoever tells the metrics knows who is dead.
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
"""Where the library looks for the folder, once, when it is imported."""

_PREFIX = "students-api-metrics-"


class Worker:
    """This process as one of a server's workers."""

    def __init__(self, folder: Path) -> None:
        """Join the others in `folder`, which is made if this is the first."""
        self.folder = folder
        self._joined = _join(folder)
        self._own = _announce(folder)

    def forget_the_dead(self) -> None:
        """Remove the gauges of workers that have died. What they have counted stays."""
        for file in self.folder.glob("*.worker"):
            if file.stem != str(os.getpid()):
                with _left_alone(file) as dead:
                    if dead:
                        _forget(self.folder, file.stem)

    def leave(self) -> None:
        """Take this worker's gauges away, and the folder if nobody else is in it."""
        _forget(self.folder, str(os.getpid()))
        if _locked(self._joined):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._own)
        os.close(self._joined)


def _join(folder: Path) -> int:
    """A shared lock on the folder: its descriptor."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        opened = os.open(folder, os.O_RDONLY)
        fcntl.flock(opened, fcntl.LOCK_SH)
        if folder.exists() and os.path.samestat(os.fstat(opened), folder.stat()):
            return opened
        os.close(opened)  # the last one has just left, and has taken it away


def _announce(folder: Path) -> int:
    """This worker's own file, which has its name only once it is locked; the descriptor. An earlier process of the same
    number leaves nothing behind."""
    number = str(os.getpid())
    _forget(folder, number)
    file = folder / f"{number}.arriving"
    opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(opened, fcntl.LOCK_EX)
    file.rename(file.with_suffix(".worker"))
    return opened


def _forget(folder: Path, number: str) -> None:
    for file in (*folder.glob(f"gauge_live*_{number}.db"), folder / f"{number}.worker"):
        file.unlink(missing_ok=True)


@contextmanager
def _left_alone(path: Path) -> Iterator[bool]:
    """Whether nobody holds a lock on a file or a folder; nobody gets one before the end."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:  # it has gone meanwhile, or is somebody else's
        yield False
        return
    try:
        yield _locked(opened)
    finally:
        os.close(opened)


def _locked(descriptor: int) -> bool:
    """Lock it, unless somebody else has; whether that was done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sweep(others: Iterable[Path]) -> None:
    """Remove what servers have left behind whose last worker was killed."""
    for folder in others:
        with _left_alone(folder) as abandoned:
            if abandoned:
                shutil.rmtree(folder, ignore_errors=True)


def _find() -> Worker | None:
    # Asked by its name: `parent_process()` tells nothing yet while `multiprocessing` runs the parent's script, such as
    # `main.py`, in a child.
    if current_process().name == "MainProcess":
        os.environ.pop(VARIABLE, None)
        return None
    folders = Path(tempfile.gettempdir())
    ours = folders / (_PREFIX + blake2b(current_process().authkey, digest_size=16).hexdigest())
    _sweep(set(folders.glob(f"{_PREFIX}*")) - {ours})
    os.environ[VARIABLE] = str(ours)
    return Worker(ours)


this = _find()
"""This process as a worker; None for one that serves alone."""


@contextmanager
def present() -> Iterator[None]:
    """The time in which this process serves."""
    try:
        yield
    finally:
        if this:
            this.leave()
