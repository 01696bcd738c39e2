"""What an error of the driver means."""

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

_DUPLICATE_KEY = 11000

# What a server says on a full disk has no code of its own.
_FULL = ("No space left on device", "Disk quota exceeded", "OutOfDiskSpace")


def is_outage(error: PyMongoError) -> bool:
    """Whether the database is away, too slow, or lost its majority before it could confirm what was written, so that a
    later try may succeed; anything else is our mistake."""
    unconfirmed = isinstance(error, WriteConcernError) or (
        isinstance(error, BulkWriteError) and bool(error.details.get("writeConcernErrors"))
    )
    return error.timeout or unconfirmed or isinstance(error, ConnectionFailure)


def is_full(error: PyMongoError) -> bool:
    """Whether the database has no room on its disk left."""
    return isinstance(error, OperationFailure) and any(words in str(error) for words in _FULL)


def is_duplicate_key(error: BaseException | None) -> bool:
    """Whether it only tells that keys are taken, which is an answer rather than a failure."""
    return isinstance(error, DuplicateKeyError) or (
        isinstance(error, BulkWriteError) and duplicate_indexes(error) is not None
    )


def duplicate_indexes(error: BulkWriteError) -> set[int] | None:
    """The places of what a unique index refused; None where the error tells of anything else."""
    failures = error.details["writeErrors"]
    if any(failure["code"] != _DUPLICATE_KEY for failure in failures) or error.details.get("writeConcernErrors"):
        return None
    return {failure["index"] for failure in failures}


def duplicate_field(error: DuplicateKeyError) -> str:
    """The indexed field that a unique index refused."""
    return str(next(iter((error.details or {})["keyPattern"])))
