"""Monitoring of the free disk space.

On a full disk mongod crashes at its next checkpoint, within a minute, and cannot start again. So a reserve file keeps
some space free for it. When the disk is full the reserve is deleted, and all writes are refused from then on.
"""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

RESERVE = "reserve"
SIZE = 16 * 2**20
# The disk counts as full when less than this is free.
_FULL_BELOW = 16 * 2**20
# The reserve is created again only when more than this plus its own size is free, so that the state does not flap.
_FREE_ABOVE = _FULL_BELOW + 16 * 2**20


class DiskSpace:
    """The free disk space of a data folder. The presence of the reserve file means that writes are allowed; it is
    shared by all processes that use the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reserve = root / RESERVE
        self.is_full = False

    def refresh(self) -> None:
        """Delete the reserve if the disk is full, create it again if there is enough space, and update `is_full`."""
        free = shutil.disk_usage(self._root).free
        if free < _FULL_BELOW:
            self._reserve.unlink(missing_ok=True)
        elif free >= _FREE_ABOVE + SIZE and not self._reserve.exists():
            self._create_reserve()
        self._update(full=not self._reserve.exists())

    def _create_reserve(self) -> None:
        scratch = self._root / f"{RESERVE}.{os.getpid()}"
        try:
            scratch.write_bytes(bytes(SIZE))
            scratch.replace(self._reserve)
        finally:
            with suppress(OSError):
                scratch.unlink()

    def _update(self, *, full: bool) -> None:
        if full and not self.is_full:
            log.error(
                "The disk of the data folder %s is full: writes are refused until there is free space", self._root
            )
        if self.is_full and not full:
            log.warning("The disk of the data folder %s has free space again", self._root)
        self.is_full = full
