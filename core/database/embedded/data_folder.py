"""The data folder: what is in it, and whether it will do."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.database.embedded import supervisor
from core.database.embedded.address import socket_path
from core.errors import StartupError

# A fresh database takes 4 MB and its oplog up to 64 MB more. mongod dies when a disk is full.
_LEAST_SPACE = 100 * 2**20
_PREFIX = "mongodb-"


@dataclass(frozen=True)
class DataFolder:
    """A data folder that has been made ready: `root` is absolute and free of links."""

    root: Path
    data: Path
    socket: Path

    @property
    def log(self) -> Path:
        return self.root / supervisor.LOG


def prepare(data_dir: Path, series: str) -> DataFolder:
    """Make the folder and its database folder for a MongoDB series such as "6.0". Raises `StartupError`."""
    root = make_private(data_dir)
    _refuse_other_series(root, series)
    _require_space(root)
    data = make_private(root / f"{_PREFIX}{series}")
    return DataFolder(root=root, data=data, socket=socket_path(root))


def make_private(path: Path) -> Path:
    """Make a folder that only its owner may write, or accept one that is; answer its real path."""
    try:
        path = path.expanduser().resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o022:
            raise RuntimeError("other users may write to it (`chmod go-w` forbids them)")
        _try_writing(path)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StartupError(
            f"The data folder {path} cannot be used: {reason}. Set DATA_DIR to a folder that belongs to the user "
            "who runs this, and that can be written."
        ) from error
    return path


def _try_writing(path: Path) -> None:
    """Root may pass every permission check and still meet a read-only disk, so try it."""
    probe = path / f".probe-{os.getpid()}"
    probe.touch()
    probe.unlink()


def _require_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _LEAST_SPACE:
        raise StartupError(
            f"The disk of the data folder {root} has {free // 2**20} MB free, and MongoDB needs "
            f"{_LEAST_SPACE // 2**20}. Free some, or set DATA_DIR to a folder on another disk."
        )


def _refuse_other_series(root: Path, series: str) -> None:
    """An empty database must never silently take the place of one that another MongoDB version holds."""
    found = [path.parent.name.removeprefix(_PREFIX) for path in root.glob(f"{_PREFIX}*/WiredTiger")]
    if found and series not in found:
        other = max(found)
        raise StartupError(
            f"The data folder {root} holds the data of MongoDB {other}, and this mongod is {series}, which would "
            f"start with an empty database. Set MONGOD_BIN to a mongod {other}, or DATA_DIR to another folder."
        )
