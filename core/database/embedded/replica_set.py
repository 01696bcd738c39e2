"""The replica set of one node.

A standalone server may lose acknowledged writes when it is killed; a replica set with majority writes does not.
"""

from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from core.database.embedded.address import url

SET_NAME = "embedded"
_PATIENCE = 2000
_NOT_YET_INITIALIZED = 94

_Admin = AsyncDatabase[dict[str, Any]]


async def is_writable(socket: Path) -> bool:
    """Whether the server takes writes; if it lacks a fitting configuration, give it one on the way.

    A socket that answers is not enough: for some moments the node has no primary, and writes fail.
    """
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url(socket), serverSelectionTimeoutMS=_PATIENCE, timeoutMS=_PATIENCE
    )
    try:
        async with client:
            if (await client.admin.command("hello")).get("isWritablePrimary"):
                return True
            await _configure(client.admin, str(socket))
    except PyMongoError:
        # It is still starting, or was killed, or another app has configured it first: the caller asks again.
        pass
    return False


async def _configure(admin: _Admin, host: str) -> None:
    """The host of the one member is the socket's plain path; a folder that was moved has the wrong one."""
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
