"""Documents whose states are counted, so that each write names the one that it replaces."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

from beanie import Document
from pydantic import Field
from pymongo import ReturnDocument

from core.api.etag import Preconditions, strong_etag
from core.clock import utc_now
from core.errors import Unavailable

# Each try fails only because another write of the same record succeeded.
MAX_TRIES = 100


class Versioned(Document):
    """Base of a document that several people change. `version` counts its states from 1."""

    version: int = 1
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)

    @property
    def etag(self) -> str:
        """The entity tag of this state of the record."""
        assert self.id, "only a stored record has an entity tag"
        return strong_etag(self.id, self.version)

    async def change(self, changes: Mapping[str, Any]) -> Self | None:
        """Change the stored record in one command, provided that it still is in this state; None if it is not."""
        update = {**changes, "version": self.version + 1, "updated_at": utc_now()}
        stored = await self.get_motor_collection().find_one_and_update(
            self._this_state(), {"$set": update}, return_document=ReturnDocument.AFTER
        )
        return None if stored is None else self.model_validate(stored)

    async def remove(self) -> Self | None:
        """Delete the stored record on the same condition; what was deleted."""
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
    """Let `write` change or remove the record in the state that `find` reads, if that is what the client `expects`;
    again, as long as other writes come in between.

    Raises what `find` raises, `PreconditionFailed`, and `Unavailable` if others always come first.
    """
    for _ in range(MAX_TRIES):
        record = await find()
        expects.check(record.etag)
        written = await write(record)
        if written is not None:
            return written
    raise Unavailable("This record is being changed by too many at once.")
