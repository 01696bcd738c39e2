"""Room on the disk.

A mongod on a full disk dies at its next checkpoint, within a minute, and cannot start there again. So some room is kept
for it, which it gets when there is no other, and nothing more is written from then on.
"""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

RESERVE = "reserve"
SIZE = 16 * 2**20
# The disk counts as full when there is less than this.
_LEAST = 16 * 2**20
# There must be more again than this and the reserve, or one would come and go.
_AMPLE = _LEAST + 16 * 2**20


class DiskSpace:
    """The room of a data folder: as long as its reserve is there, as a file, it may be written to. That is how all
    processes that share the folder know."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reserve = root / RESERVE
        self.is_full = False

    def look(self) -> None:
        """Give the reserve up when the disk is full, and keep one again when it no longer is."""
        free = shutil.disk_usage(self._root).free
        if free < _LEAST:
            self._reserve.unlink(missing_ok=True)
        elif free >= _AMPLE + SIZE and not self._reserve.exists():
            self._keep()
        self._tell(full=not self._reserve.exists())

    def _keep(self) -> None:
        scratch = self._root / f"{RESERVE}.{os.getpid()}"
        try:
            scratch.write_bytes(bytes(SIZE))
            scratch.replace(self._reserve)
        finally:
            with suppress(OSError):
                scratch.unlink()

    def _tell(self, *, full: bool) -> None:
        if full and not self.is_full:
            log.error("The disk of the data folder %s is full: it is only read from, until there is room", self._root)
        if self.is_full and not full:
            log.warning("The disk of the data folder %s has room again", self._root)
        self.is_full = full
