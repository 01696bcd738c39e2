"""What is done with a document's collection that Beanie has no word for."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pymongo
from beanie import Document
from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern

from core.database.client import is_in_memory
from core.database.driver_threads import long_running
from core.database.errors import duplicate_indexes


class ChangeStreamsUnsupported(Exception):
    """The database does not tell of changes: it is a single server, or in memory."""


# What a server without an oplog answers.
_NO_CHANGE_STREAMS = {40573, 115}


async def watch_ids(document: type[Document]) -> AsyncIterator[ObjectId | None]:
    """None, once the watch is open; then the `_id` of each document that anybody changes or removes from then on, as
    soon as a majority has it.

    Never ends by itself. Raise `ChangeStreamsUnsupported`, or `PyMongoError`, after which changes may have been missed.
    """
    collection = document.get_motor_collection()
    if is_in_memory(collection):
        raise ChangeStreamsUnsupported
    long_running.set(True)  # it waits most of the time
    with pymongo.timeout(None):
        try:
            async with collection.watch([{"$project": {"documentKey": 1}}], max_await_time_ms=500) as changes:
                yield None
                async for change in changes:
                    if "documentKey" in change:
                        yield change["documentKey"]["_id"]
        except OperationFailure as error:
            if error.code in _NO_CHANGE_STREAMS:
                raise ChangeStreamsUnsupported from error
            raise


async def insert_ignoring_duplicates(document: type[Document], rows: Sequence[dict[str, Any]]) -> set[int]:
    """Insert many documents, in any order, with as few commands as possible. Answers the places of those that a unique
    index refused."""
    try:
        await document.get_motor_collection().insert_many(rows, ordered=False)
    except BulkWriteError as error:
        return _refused(error)
    return set()


Update = tuple[dict[str, Any], dict[str, Any]]
"""A filter, and what to change of the document that it meets."""


async def bulk_update(document: type[Document], updates: Sequence[Update]) -> tuple[int, set[int]]:
    """Do many updates of one document each, in any order, with as few commands as possible. Answers how many of the
    filters met a document that was then updated, and the places of those updates that a unique index refused."""
    collection = document.get_motor_collection()
    if is_in_memory(collection):  # mongomock's bulk_write knows an older driver only
        return await _bulk_update_in_memory(collection, updates)
    try:
        result = await collection.bulk_write([UpdateOne(*update) for update in updates], ordered=False)
    except BulkWriteError as error:
        return int(error.details["nMatched"]), _refused(error)
    return int(result.matched_count), set()


async def _bulk_update_in_memory(collection: Any, updates: Sequence[Update]) -> tuple[int, set[int]]:
    matched, refused = 0, set[int]()
    for place, update in enumerate(updates):
        try:
            matched += (await collection.update_one(*update)).matched_count
        except DuplicateKeyError:
            refused.add(place)
    return matched, refused


def _refused(error: BulkWriteError) -> set[int]:
    """The places of what a unique index refused; raises the error if it tells of anything else."""
    places = duplicate_indexes(error)
    if places is None:
        raise error
    return places


def read_majority(document: type[Document]) -> Any:
    """A document's collection, read in the newest state that no change of a replica set's primary will undo."""
    collection = document.get_motor_collection()
    if is_in_memory(collection):
        return collection  # where nothing is undone
    return collection.with_options(
        read_concern=ReadConcern("majority"),
        read_preference=ReadPreference.PRIMARY,  # type: ignore[arg-type]  # the stubs name the class of constants
    )


def collection_name(document: type[Document]) -> str:
    """The collection that a document is kept in."""
    return str(getattr(getattr(document, "Settings", None), "name", document.__name__))
