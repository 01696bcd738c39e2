"""Classification of the driver's errors."""

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

_DUPLICATE_KEY = 11000

# MongoDB has no error code for a full disk, so the text has to be searched.
_FULL = ("No space left on device", "Disk quota exceeded", "OutOfDiskSpace")


def is_outage(error: PyMongoError) -> bool:
    """Return whether a retry may succeed: the database is unreachable, timed out, or lost its majority before it
    confirmed a write. Any other error is a bug."""
    unconfirmed = isinstance(error, WriteConcernError) or (
        isinstance(error, BulkWriteError) and bool(error.details.get("writeConcernErrors"))
    )
    return error.timeout or unconfirmed or isinstance(error, ConnectionFailure)


def is_full(error: PyMongoError) -> bool:
    """Return whether the database's disk is full."""
    return isinstance(error, OperationFailure) and any(words in str(error) for words in _FULL)


def duplicate_indexes(error: BulkWriteError) -> set[int] | None:
    """Return the positions, in the list of writes, of those that violate a unique index; None if the error reports
    anything else."""
    failures = error.details["writeErrors"]
    if any(failure["code"] != _DUPLICATE_KEY for failure in failures) or error.details.get("writeConcernErrors"):
        return None
    return {failure["index"] for failure in failures}


def duplicate_field(error: DuplicateKeyError) -> str:
    """Return the indexed field whose value violates a unique index."""
    return str(next(iter((error.details or {})["keyPattern"])))
