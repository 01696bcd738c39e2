"""The file locks that apps and the supervisor use to detect each other. The kernel releases them whenever a process
ends, even if it crashes."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_RETRY = 0.02


@asynccontextmanager
async def shared_lease(path: Path) -> AsyncIterator[None]:
    """Hold a shared lock, which means that mongod is needed. Wait while a supervisor stops the previous mongod."""
    # Python opens files with O_CLOEXEC, so the supervisor does not inherit the lease.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _try_shared(descriptor):  # noqa: ASYNC110 (no event comes from another process)
            await asyncio.sleep(_RETRY)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether some process holds the lock exclusively."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return not _try_shared(descriptor)
    finally:
        os.close(descriptor)


def _try_shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
