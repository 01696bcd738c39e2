"""Optimistic locking: documents with a version number, which each write requires to be unchanged."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

from beanie import Document
from pydantic import Field
from pymongo import ReturnDocument

from core.api.etag import Preconditions, strong_etag
from core.clock import utc_now
from core.errors import Unavailable

# An attempt fails only if another write to the same record succeeded in between.
MAX_TRIES = 100


class Versioned(Document):
    """Base class of documents that several clients change. `version` counts the states of a document from 1."""

    version: int = 1
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)

    @property
    def etag(self) -> str:
        """Return the entity tag of this state of the record."""
        assert self.id, "only a stored record has an entity tag"
        return strong_etag(self.id, self.version)

    async def change(self, changes: Mapping[str, Any]) -> Self | None:
        """Change the stored record atomically if it is still in this state; return None otherwise."""
        update = {**changes, "version": self.version + 1, "updated_at": utc_now()}
        stored = await self.get_motor_collection().find_one_and_update(
            self._this_state(), {"$set": update}, return_document=ReturnDocument.AFTER
        )
        return None if stored is None else self.model_validate(stored)

    async def remove(self) -> Self | None:
        """Delete the stored record if it is still in this state, and return it; return None otherwise."""
        result = await self.get_motor_collection().delete_one(self._this_state())
        return self if result.deleted_count else None

    def _this_state(self) -> dict[str, Any]:
        return {"_id": self.id, "version": self.version}


VersionedDocument = TypeVar("VersionedDocument", bound=Versioned)


async def write_current(
    find: Callable[[], Awaitable[VersionedDocument]],
    expects: Preconditions,
    write: Callable[[VersionedDocument], Awaitable[VersionedDocument | None]],
) -> VersionedDocument:
    """Read a record with `find`, check what the client `expects`, and change or remove the record with `write`. Retry
    if another write changed the record in between.

    Raise what `find` raises, `PreconditionFailed`, and `Unavailable` if every attempt conflicted with another write.
    """
    for _ in range(MAX_TRIES):
        record = await find()
        expects.check(record.etag)
        written = await write(record)
        if written is not None:
            return written
    raise Unavailable("Too many concurrent changes to this record.")
