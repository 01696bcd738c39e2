"""Operations on a document's collection that Beanie does not offer: bulk writes, change streams, majority reads."""

from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from functools import reduce
from operator import getitem
from typing import Any, TypeVar

import pymongo
from beanie import Document
from bson import ObjectId
from pymongo import ReadPreference, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure
from pymongo.read_concern import ReadConcern

from core.database.client import is_in_memory
from core.database.errors import duplicate_indexes

T = TypeVar("T")


def collection(document: type[Document]) -> Any:
    """Return the driver's collection of a document, for what Beanie's own queries cannot do or are too slow for.

    This is the only place that asks Beanie for the driver's object: see ADR 4.
    """
    return document.get_motor_collection()


class ChangeStreamsUnsupported(Exception):
    """The database has no change streams, because it is a standalone server or in memory."""


# The error codes of a server without an oplog.
_NO_CHANGE_STREAMS = {40573, 115}


async def watch_ids(document: type[Document]) -> AsyncIterator[ObjectId | None]:
    """Yield None once the change stream is open, then the `_id` of each document that is changed or removed, as soon
    as a majority has the change.

    End only if the collection is dropped. Raise `ChangeStreamsUnsupported`, or `PyMongoError`, after which changes may
    have been missed.
    """
    target = collection(document)
    if is_in_memory(target):
        raise ChangeStreamsUnsupported
    stream = target.watch([{"$project": {"documentKey": 1}}], max_await_time_ms=500)
    try:
        await _without_timeout(stream.__aenter__())  # opens it
        yield None
        while change := await _without_timeout(anext(stream, None)):
            if "documentKey" in change:
                yield change["documentKey"]["_id"]
    except OperationFailure as error:
        if error.code in _NO_CHANGE_STREAMS:
            raise ChangeStreamsUnsupported from error
        raise
    finally:
        await stream.close()


async def _without_timeout(step: Awaitable[T]) -> T:
    """Wait for one step of a generator without a timeout. The timeout is a context variable, so it must not be set
    across a `yield`: it would be set in the caller, too, and might be reset in another context."""
    with pymongo.timeout(None):
        return await step


Row = dict[str, Any]
"""A document as it is stored."""


async def insert_ignoring_duplicates(document: type[Document], rows: Sequence[Row]) -> set[int]:
    """Insert many documents, in any order, with as few commands as possible. Return the positions of the rows that
    violate a unique index."""
    try:
        await collection(document).insert_many(rows, ordered=False)
    except BulkWriteError as error:
        return _duplicates(error)
    return set()


Update = tuple[dict[str, Any], dict[str, Any]]
"""A filter, and the update for the document that matches it."""


async def bulk_update(document: type[Document], updates: Sequence[Update]) -> tuple[int, set[int]]:
    """Run many updates of one document each, in any order, with as few commands as possible. Return how many filters
    matched a document, and the positions of the updates that violate a unique index."""
    target = collection(document)
    if is_in_memory(target):  # mongomock's bulk_write supports an older driver only
        return await _bulk_update_in_memory(target, updates)
    try:
        result = await target.bulk_write([UpdateOne(*update) for update in updates], ordered=False)
    except BulkWriteError as error:
        return int(error.details["nMatched"]), _duplicates(error)
    return int(result.matched_count), set()


async def _bulk_update_in_memory(target: Any, updates: Sequence[Update]) -> tuple[int, set[int]]:
    matched, duplicates = 0, set[int]()
    for position, update in enumerate(updates):
        try:
            matched += (await target.update_one(*update)).matched_count
        except DuplicateKeyError:
            duplicates.add(position)
    return matched, duplicates


async def bulk_upsert(
    document: type[Document], rows: Sequence[Row], *, key: Sequence[str], update: Collection[str]
) -> set[int]:
    """Store many rows, in any order, with as few commands as possible. A row is inserted, unless a document has the
    same values in the fields of its `key`, such as `student.id`; then only its fields `update` are set, in that
    document. Return the positions of the rows that were inserted.

    The fields of the key must be exactly those of a unique index. Then requests with the same rows at the same time
    all succeed, as MongoDB repeats an upsert whose document another one inserted first:
    https://www.mongodb.com/docs/manual/reference/method/db.collection.update/#upsert-with-duplicate-values. Raise
    `BulkWriteError` if a row violates another unique index.
    """
    target = collection(document)
    upserts = [_upsert_of(row, key, update) for row in rows]
    if is_in_memory(target):
        results = [await target.update_one(*upsert, upsert=True) for upsert in upserts]
        return {position for position, result in enumerate(results) if result.upserted_id is not None}
    if not upserts:
        return set()
    result = await target.bulk_write([UpdateOne(*upsert, upsert=True) for upsert in upserts], ordered=False)
    return set(result.upserted_ids)


def _upsert_of(row: Row, key: Sequence[str], update: Collection[str]) -> Update:
    condition = {path: reduce(getitem, path.split("."), row) for path in key}
    others = {name: value for name, value in row.items() if name not in update}
    return condition, {"$set": {name: row[name] for name in update}, "$setOnInsert": others}


def _duplicates(error: BulkWriteError) -> set[int]:
    """Return the positions of the writes that violate a unique index; raise the error if it reports anything else."""
    duplicates = duplicate_indexes(error)
    if duplicates is None:
        raise error
    return duplicates


def read_majority(document: type[Document]) -> Any:
    """Return a document's collection with read concern "majority": reads return the newest state that an election
    cannot roll back."""
    target = collection(document)
    if is_in_memory(target):
        return target  # nothing is rolled back in memory
    return target.with_options(
        read_concern=ReadConcern("majority"),
        read_preference=ReadPreference.PRIMARY,
    )


def collection_name(document: type[Document]) -> str:
    """Return the name of a document's collection."""
    return str(getattr(getattr(document, "Settings", None), "name", document.__name__))
