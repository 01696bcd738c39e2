"""The command line of the embedded mongod."""

from core.embedded.binary import Mongod
from core.embedded.folder import Folder
from core.embedded.replica import SET_NAME

# With 4 MB journal files a fresh database takes 4 MB, not 300.
_STORAGE = "log=(enabled=true,remove=true,path=journal,compressor=snappy,file_max=4MB,prealloc=false)"


def command(mongod: Mongod, folder: Folder) -> list[str]:
    """One Unix socket, which only this user may open, and no TCP port at all."""
    return [
        *(str(mongod.path), "--dbpath", str(folder.data)),
        *("--bind_ip", str(folder.socket), "--nounixsocket"),
        # Nothing listens on it. But when it is a member's port, which is 27017 for a socket, mongod looks the member's
        # host up in DNS as it starts, and may wait long for the answer.
        *("--port", "27016"),
        *("--replSet", SET_NAME, "--oplogSize", "64"),
        *("--wiredTigerCacheSizeGB", "0.25", "--wiredTigerEngineConfigString", _STORAGE),
        # The zlib compressor leaks memory of the server (CVE-2025-14847).
        *("--networkMessageCompressors", "disabled"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        # There is no other member to hand over to.
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
        # mongod writes a slow command into its log whole, with the keys and hashes in it.
        *("--slowms", "2147483647"),
        "--quiet",
    ]
