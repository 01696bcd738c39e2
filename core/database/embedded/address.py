"""The socket through which mongod is reached, and its spellings."""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from urllib.parse import quote

from core.errors import StartupError

# A socket's path must fit into 108 bytes on Linux, 104 on macOS, with a NUL at the end.
_LONGEST = 103
# mongod takes the host of a member apart at colons and brackets.
_PLAIN = re.compile(r"[\w/.,+=@~ -]+", re.ASCII)


def url(socket: Path) -> str:
    """What a MongoDB client takes. Direct, because the set knows its member by a path that clients cannot read."""
    return f"mongodb://{quote(str(socket), safe='')}/?directConnection=true"


def socket_path(root: Path) -> Path:
    """`m.sock` in the data folder; when no socket can be there, in a private folder for temporary files.

    Raises `StartupError` when that folder is not ours alone: whoever owns it could pose as the database.
    """
    beside = root / "m.sock"
    return beside if _fits(beside) else _private_folder(root) / "m.sock"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _LONGEST and _PLAIN.fullmatch(str(path)) is not None


def _private_folder(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()).resolve() / f"mongod-{os.getuid()}-{name}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StartupError(
            f"The folder {folder} for mongod's socket cannot be made: {error.strerror}. Set DATA_DIR to a folder "
            "with a shorter path."
        ) from error
    if not _ours_alone(found) or not _fits(folder / "m.sock"):
        raise StartupError(
            f"The folder {folder} cannot hold mongod's socket: it must be a folder of this user that no other may "
            "enter, with a short path. Remove it, or set DATA_DIR to a folder with a shorter path."
        )
    return folder


def _ours_alone(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
