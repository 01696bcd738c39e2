"""The libcurl that mongod needs and a bare system lacks, borrowed from the pycurl wheel.

The wheel brings the library under a name with a hash in it, in `pycurl.libs` beside the module. mongod asks for
`libcurl.so.4`, so a link of that name goes into a private folder. The loader needs that folder and `pycurl.libs`,
where the libraries are on which this one stands in turn.
"""

import importlib.metadata
import os
import tempfile
from pathlib import Path

from core.database.embedded.data_folder import make_private

_VARIABLE = "LD_LIBRARY_PATH"


def borrowed_libcurl(data_dir: Path) -> dict[str, str]:
    """The environment in which mongod finds pycurl's libcurl; empty when there is none to borrow."""
    library = _bundled()
    if library is None:
        return {}
    folder = make_private(data_dir) / "lib"
    _link(folder / "libcurl.so.4", library)
    search = [str(folder), str(library.parent), os.environ.get(_VARIABLE, "")]
    return {_VARIABLE: ":".join(filter(None, search))}


def _bundled() -> Path | None:
    """Looked up in what pip has recorded: where the module lies differs from one pycurl to the next."""
    try:
        files = importlib.metadata.files("pycurl") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(file.locate()) for file in files if file.match("libcurl-*.so.4*")), None)


def _link(link: Path, target: Path) -> None:
    """Point the link at the target, in one step: other processes may be loading from it."""
    make_private(link.parent)
    with tempfile.TemporaryDirectory(dir=link.parent) as scratch:
        fresh = Path(scratch) / link.name
        fresh.symlink_to(target)
        fresh.replace(link)
