"""The command line of the embedded mongod."""

import os
from pathlib import Path

from core.database.embedded.data_folder import DataFolder
from core.database.embedded.mongod_binary import Mongod
from core.database.embedded.replica_set import SET_NAME

# With 4 MB journal files a new database takes 4 MB instead of 300.
_STORAGE = "log=(enabled=true,remove=true,path=journal,compressor=snappy,file_max=4MB,prealloc=false)"


_GIGABYTE = 2**30

# The memory limit of a container (cgroup v2).
_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory() -> int:
    """Return the memory of this machine, or the limit of this container, in bytes."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # there is no limit
        return physical


def cache_size(memory: int) -> str:
    """Return the size of mongod's cache in gigabytes: an eighth of the memory, from 0.25 to 2.

    mongod uses no more than there is data. But if the indexes of a large school do not fit, writes are ten times
    slower.
    """
    return f"{min(2.0, max(0.25, memory / _GIGABYTE / 8)):.2f}"


def command(mongod: Mongod, folder: DataFolder) -> list[str]:
    """Return the command line: mongod listens on one Unix socket, which only this user may open, and on no TCP port."""
    return [
        *(str(mongod.path), "--dbpath", str(folder.data)),
        *("--bind_ip", str(folder.socket), "--nounixsocket"),
        # Nothing listens on this port. But if it equals the member's port, which is 27017 for a socket, mongod looks
        # the member's host up in DNS during startup, and may wait long for the response.
        *("--port", "27016"),
        *("--replSet", SET_NAME, "--oplogSize", "64"),
        *("--wiredTigerCacheSizeGB", cache_size(memory()), "--wiredTigerEngineConfigString", _STORAGE),
        # The zlib compressor discloses server memory (CVE-2025-14847).
        *("--networkMessageCompressors", "disabled"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # There is no other member that could take over as primary.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # mongod logs slow commands in full, including keys and hashes.
        *("--slowms", "2147483647"),
        "--quiet",
    ]
