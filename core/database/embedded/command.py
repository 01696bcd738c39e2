"""The command line of the embedded mongod."""

import os
from pathlib import Path

from core.database.embedded.data_folder import DataFolder
from core.database.embedded.mongod_binary import Mongod
from core.database.embedded.replica_set import SET_NAME

# With 4 MB journal files a fresh database takes 4 MB, not 300.
_STORAGE = "log=(enabled=true,remove=true,path=journal,compressor=snappy,file_max=4MB,prealloc=false)"


_GIGABYTE = 2**30

# The limit that a container has (cgroup v2).
_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory() -> int:
    """How many bytes of memory this machine, or this container, has."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(_LIMIT.read_text(encoding="ascii")))
    except (OSError, ValueError):  # there is none
        return physical


def cache_size(memory: int) -> str:
    """How many gigabytes of its data mongod may keep at hand: an eighth of the memory, from 0.25 to 2. It takes no more
    than there is data; but where the indexes of a large school do not fit, writes are ten times as slow."""
    return f"{min(2.0, max(0.25, memory / _GIGABYTE / 8)):.2f}"


def command(mongod: Mongod, folder: DataFolder) -> list[str]:
    """One Unix socket, which only this user may open, and no TCP port at all."""
    return [
        *(str(mongod.path), "--dbpath", str(folder.data)),
        *("--bind_ip", str(folder.socket), "--nounixsocket"),
        # Nothing listens on it. But when it is a member's port, which is 27017 for a socket, mongod looks the member's
        # host up in DNS as it starts, and may wait long for the answer.
        *("--port", "27016"),
        *("--replSet", SET_NAME, "--oplogSize", "64"),
        *("--wiredTigerCacheSizeGB", cache_size(memory()), "--wiredTigerEngineConfigString", _STORAGE),
        # The zlib compressor leaks memory of the server (CVE-2025-14847).
        *("--networkMessageCompressors", "disabled"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # There is no other member to hand over to.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # mongod writes a slow command into its log whole, with the keys and hashes in it.
        *("--slowms", "2147483647"),
        "--quiet",
    ]
