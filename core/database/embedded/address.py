"""The path of mongod's Unix socket, and the URL for clients."""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from core.errors import StartupError

# A socket's path must fit into 108 bytes on Linux, 104 on macOS, including the terminating NUL.
_MAX_LENGTH = 103
# mongod splits the host of a replica set member at colons and brackets.
_SAFE_PATH = re.compile(r"[\w/.,+=@~ -]+", re.ASCII)


def url(socket: Path) -> str:
    """Return the URL for a MongoDB client.

    The connection is direct, because the replica set lists its member under a path that clients cannot parse.
    """
    return f"mongodb://{quote(str(socket), safe='')}/?directConnection=true"


def socket_path(root: Path) -> Path:
    """Return the path of the socket: `m.sock` in the data folder, or in a private temporary folder if the data
    folder's path does not suit a socket.

    Raise `StartupError` if other users may enter the temporary folder: they could impersonate the database.
    """
    in_root = root / "m.sock"
    return in_root if _fits(in_root) else _private_folder(root) / "m.sock"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _MAX_LENGTH and _SAFE_PATH.fullmatch(str(path)) is not None


def _private_folder(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).resolve() / f"mongod-{os.getuid()}-{name}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StartupError(
            f"The folder {folder} for mongod's socket cannot be created: {error.strerror}. Set DATA_DIR to a folder "
            "with a shorter path."
        ) from error
    if not _ours_alone(found) or not _fits(folder / "m.sock"):
        raise StartupError(
            f"The folder {folder} cannot hold mongod's socket: it must belong to this user, be closed to other users, "
            "and have a short path. Remove it, or set DATA_DIR to a folder with a shorter path."
        )
    return folder


def _ours_alone(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
