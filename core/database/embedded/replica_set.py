"""The configuration of the embedded mongod as a replica set with one member.

A standalone server may lose acknowledged writes when it is killed; a replica set with majority writes does not.
"""

from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from core.database.embedded.address import url

SET_NAME = "embedded"
_TIMEOUT_MS = 2000
_NOT_YET_INITIALIZED = 94

_Admin = AsyncDatabase[dict[str, Any]]


async def is_writable(socket: Path) -> bool:
    """Return whether the server accepts writes. Configure the replica set if its configuration is missing or outdated.

    An open socket is not enough: shortly after its start the member is not primary yet, and writes fail.
    """
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url(socket), serverSelectionTimeoutMS=_TIMEOUT_MS, timeoutMS=_TIMEOUT_MS
    )
    try:
        async with client:
            if (await client.admin.command("hello")).get("isWritablePrimary"):
                return True
            await _configure(client.admin, str(socket))
    except PyMongoError:
        # The server is still starting, was killed, or was configured by another app first: the caller retries.
        pass
    return False


async def _configure(admin: _Admin, host: str) -> None:
    """Initiate the replica set, or correct its host: the socket's path, which changes if the data folder is moved."""
    config = await _config(admin)
    if config is None:
        config = {"_id": SET_NAME, "members": [{"_id": 0, "host": host}]}
        await admin.command("replSetInitiate", config)
    elif config["members"][0]["host"] != host:
        config["members"] = [{"_id": 0, "host": host}]
        config["version"] += 1
        await admin.command("replSetReconfig", config, force=True)


async def _config(admin: _Admin) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = (await admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code == _NOT_YET_INITIALIZED:
            return None
        raise
    return found
