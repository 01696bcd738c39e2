"""Batched updates of what is stored besides the content of students, for migrations."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from beanie import Document

from core.database import bulk_update, collection

_BATCH = 1_000

Row = Mapping[str, Any]


async def complete(document: type[Document], missing: str, updated: Callable[[Row], dict[str, Any]]) -> None:
    """Update the students whose `keys` lack the field `missing`, each with what `updated` returns.

    Repeat until no such student is left: older code may still write some meanwhile. Students that have no keys at all
    are left to m0001. A student that is changed meanwhile is read again.
    """
    old = {"keys.live": {"$exists": True}, f"keys.{missing}": {"$exists": False}}
    while await document.find(old).exists():
        async for batch in batches(document, old):
            read = [({"_id": row["_id"], "version": row["version"], **old}, updated(row)) for row in batch]
            await bulk_update(document, read)


async def drop_index(document: type[Document], name: str) -> None:
    """Drop an index that is no longer declared, if it exists."""
    if name in await collection(document).index_information():
        await collection(document).drop_index(name)


async def batches(document: type[Document], wanted: dict[str, Any]) -> AsyncIterator[list[Row]]:
    """Yield the documents that match, in the order of their `_id`s."""
    query = dict(wanted)
    while batch := await collection(document).find(query).sort("_id", 1).limit(_BATCH).to_list(None):
        yield batch
        query["_id"] = {"$gt": batch[-1]["_id"]}
