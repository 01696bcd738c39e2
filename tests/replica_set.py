"""A replica set of three real mongods on loopback that tests can kill and suspend, set up like `deploy/initiate.js`."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from core.database.embedded import find_mongod
from tests.processes import until

TIMES = {"electionTimeoutMillis": 2000, "heartbeatTimeoutSecs": 2}


class Member:
    """One of the mongods. It keeps its port and its data when it is killed and started again."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        data = folder / f"mongod-{self.port}"
        data.mkdir()
        flags = ["--replSet", "rs0", "--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        paths = ["--port", str(self.port), "--dbpath", str(data), "--logpath", f"{data}.log", "--logappend"]
        self._command = [str(program), *paths, *flags]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Suspend the process, as if the machine hung: its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command to this member, and return the response. Raise `PyMongoError` if there is none."""
        with MongoClient[dict[str, Any]]("127.0.0.1", self.port, directConnection=True, timeoutMS=2000) as client:
            return client.admin.command(command)

    def is_writing_to(self, collection: str) -> bool:
        """Return whether a write to this collection is running here, or waits for the other members."""
        operations = self.ask({"currentOp": 1, "active": True})["inprog"]
        return any(collection in (one["command"].get("update"), one["command"].get("insert")) for one in operations)

    def status(self) -> dict[str, Any]:
        """Return this member's status of the set, or an empty dict while it does not answer."""
        try:
            return self.ask({"replSetGetStatus": 1})
        except PyMongoError:
            return {}

    def is_primary(self) -> bool:
        return self.status().get("myState") == 1


class ReplicaSet:
    """Three members; `url` is the connection string."""

    def __init__(self, folder: Path) -> None:
        mongod = find_mongod(None, folder)
        assert mongod
        self.members = [Member(mongod.path, folder) for _ in range(3)]
        hosts = [f"127.0.0.1:{member.port}" for member in self.members]
        self.url = f"mongodb://{','.join(hosts)}/?replicaSet=rs0"
        self._config = {
            "_id": "rs0",
            "members": [{"_id": number, "host": host} for number, host in enumerate(hosts)],
            "settings": TIMES,
        }

    def initiate(self) -> None:
        until(self._initiated, within=180)
        until(self.is_whole, within=180)

    def _initiated(self) -> bool:
        try:
            return bool(self.members[0].ask({"replSetInitiate": self._config})["ok"])
        except PyMongoError:
            return False

    def is_whole(self) -> bool:
        """Return whether there is one primary, and the others have replicated what it wrote since its election.

        Before that, a member that was killed may report that it is a secondary, but still have to roll back writes that
        only it had. If another member is killed then, there is no majority for most of a minute.
        """
        for status in (member.status() for member in self.members):
            if status.get("myState") == 1:
                members = status["members"]
                states = sorted(one["stateStr"] for one in members)
                caught_up = {one["optime"]["t"] for one in members if one["health"]} == {status["term"]}
                return states == ["PRIMARY", "SECONDARY", "SECONDARY"] and caught_up
        return False

    def primary(self) -> Member:
        """Wait until there is a primary, and return it."""
        return until(lambda: next((one for one in self.members if one.is_primary()), None))


@contextmanager
def replica_set_of_three(folder: Path) -> Iterator[ReplicaSet]:
    """Run a replica set with its data in `folder`, and yield it once it has a primary."""
    replica_set = ReplicaSet(folder)
    try:
        replica_set.initiate()
        yield replica_set
    finally:
        for member in replica_set.members:
            member.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
