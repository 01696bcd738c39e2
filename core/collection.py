"""What is done with a document's collection that Beanie has no word for."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pymongo
from beanie import Document
from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.errors import DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern

from core.database import is_in_memory
from core.driver_threads import aside


class Unwatchable(Exception):
    """The database does not tell of changes: it is a single server, or in memory."""


# What a server without an oplog answers.
_NO_CHANGE_STREAMS = {40573, 115}


async def changed_ids(document: type[Document]) -> AsyncIterator[ObjectId | None]:
    """None, once the watch is open; then the `_id` of each document that anybody changes or removes from then on, as
    soon as a majority has it.

    Never ends by itself but by an error: `Unwatchable`, or `PyMongoError`, after which some may have been missed.
    """
    collection = document.get_motor_collection()
    if is_in_memory(collection):
        raise Unwatchable
    aside.set(True)  # it waits most of the time
    with pymongo.timeout(None):
        try:
            async with collection.watch([{"$project": {"documentKey": 1}}], max_await_time_ms=500) as changes:
                yield None
                async for change in changes:
                    if "documentKey" in change:
                        yield change["documentKey"]["_id"]
        except OperationFailure as error:
            if error.code in _NO_CHANGE_STREAMS:
                raise Unwatchable from error
            raise


async def update_each(document: type[Document], updates: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> int:
    """Do many updates of one document each, in any order, with as few commands as possible: pairs of a filter and what
    to change. Answers how many of the filters met a document."""
    collection = document.get_motor_collection()
    if is_in_memory(collection):  # mongomock's bulk_write knows an older driver only
        return sum([(await collection.update_one(*update)).matched_count for update in updates])
    result = await collection.bulk_write([UpdateOne(*update) for update in updates], ordered=False)
    return int(result.matched_count)


def settled(document: type[Document]) -> Any:
    """A document's collection, read in the newest state that no change of a replica set's primary will undo."""
    collection = document.get_motor_collection()
    if is_in_memory(collection):
        return collection  # where nothing is undone
    return collection.with_options(
        read_concern=ReadConcern("majority"),
        read_preference=ReadPreference.PRIMARY,  # type: ignore[arg-type]  # the stubs name the class of constants
    )


def taken_field(error: DuplicateKeyError) -> str:
    """The indexed field that a unique index refused."""
    return str(next(iter((error.details or {})["keyPattern"])))
