"""The data folder: its layout, and the checks that it is usable."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.database.embedded import supervisor
from core.database.embedded.address import socket_path
from core.errors import StartupError

# A new database takes 4 MB, and its oplog up to 64 MB more. mongod crashes when the disk is full.
_MIN_FREE_SPACE = 100 * 2**20
_PREFIX = "mongodb-"


@dataclass(frozen=True)
class DataFolder:
    """A data folder that is ready for use. `root` is absolute and contains no symbolic links."""

    root: Path
    data: Path
    socket: Path

    @property
    def log(self) -> Path:
        return self.root / supervisor.LOG


def prepare(data_dir: Path, series: str) -> DataFolder:
    """Create the data folder and, in it, the database folder for a MongoDB series such as "6.0".

    Raise `StartupError` if the folder is unusable, its disk is full, or it holds the data of another series.
    """
    root = make_private(data_dir)
    _check_series(root, series)
    _check_free_space(root)
    data = make_private(root / f"{_PREFIX}{series}")
    return DataFolder(root=root, data=data, socket=socket_path(root))


def make_private(path: Path) -> Path:
    """Create a folder that only its owner may write to, or accept an existing one. Return its real path.

    Raise `StartupError` if the folder is not writable, or if other users may write to it.
    """
    try:
        path = path.expanduser().resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o022:
            raise RuntimeError("other users may write to it (`chmod go-w` removes that permission)")
        _check_writable(path)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StartupError(
            f"The data folder {path} cannot be used: {reason}. Set DATA_DIR to a writable folder that belongs to the "
            "user who runs this service."
        ) from error
    return path


def _check_writable(path: Path) -> None:
    """Create a file and remove it. For root, permissions alone do not show that a disk is read-only."""
    probe = path / f".probe-{os.getpid()}"
    probe.touch()
    probe.unlink()


def _check_free_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _MIN_FREE_SPACE:
        raise StartupError(
            f"The disk of the data folder {root} has {free // 2**20} MB free, but MongoDB needs "
            f"{_MIN_FREE_SPACE // 2**20} MB. Free some space, or set DATA_DIR to a folder on another disk."
        )


def _check_series(root: Path, series: str) -> None:
    """Raise `StartupError` if the folder holds data of other MongoDB series only: an empty database must never silently
    replace an existing one."""
    found = [path.parent.name.removeprefix(_PREFIX) for path in root.glob(f"{_PREFIX}*/WiredTiger")]
    if found and series not in found:
        other = max(found)
        raise StartupError(
            f"The data folder {root} holds data of MongoDB {other}, but this mongod is version {series} and would "
            f"start with an empty database. Set MONGOD_BIN to a mongod {other}, or DATA_DIR to another folder."
        )
