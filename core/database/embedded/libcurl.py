"""The libcurl that mongod needs, taken from the pycurl wheel if the system lacks it.

The wheel contains the library in `pycurl.libs` beside the module, with a hash in the file name. mongod loads
`libcurl.so.4`, so a symbolic link of that name is created in a private folder. The loader needs that folder and
`pycurl.libs`, which contains the libraries that libcurl depends on.
"""

import importlib.metadata
import os
import tempfile
from pathlib import Path

from core.database.embedded.data_folder import make_private

_VARIABLE = "LD_LIBRARY_PATH"


def borrowed_libcurl(data_dir: Path) -> dict[str, str]:
    """Return the environment variables with which mongod finds pycurl's libcurl; empty if pycurl contains none."""
    library = _bundled()
    if library is None:
        return {}
    folder = make_private(data_dir) / "lib"
    _link(folder / "libcurl.so.4", library)
    search = [str(folder), str(library.parent), os.environ.get(_VARIABLE, "")]
    return {_VARIABLE: ":".join(filter(None, search))}


def _bundled() -> Path | None:
    """Return the path of pycurl's libcurl, or None. Use pip's record, as the path differs between pycurl versions."""
    try:
        files = importlib.metadata.files("pycurl") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(file.locate()) for file in files if file.match("libcurl-*.so.4*")), None)


def _link(link: Path, target: Path) -> None:
    """Create or replace the link atomically, as other processes may be loading the library through it."""
    make_private(link.parent)
    with tempfile.TemporaryDirectory(dir=link.parent) as scratch:
        new = Path(scratch) / link.name
        new.symlink_to(target)
        new.replace(link)
