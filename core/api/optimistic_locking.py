"""Optimistic locking: documents with a version number, which each write requires to be unchanged."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Self, TypeVar

from beanie import Document
from pydantic import Field
from pymongo import ReturnDocument

from core.api.etag import Preconditions, strong_etag
from core.clock import utc_now
from core.database import Filter, collection, encoded, stored_form
from core.errors import Unavailable

# An attempt fails only if another write to the same record succeeded in between.
MAX_TRIES = 100

TOO_MANY_CHANGES = "Too many concurrent changes to this record."


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
        """Change fields of the stored record atomically if it is still in this state; return None otherwise.

        The values are validated and stored as those of a new record are, and unknown fields are likewise ignored.
        """
        changes = {**changes, "version": self.version + 1, "updated_at": utc_now()}
        changed = type(self).model_validate({**dict(self), **changes}, by_name=True)
        form = stored_form(changed)
        names = [field.alias or name for name, field in type(self).model_fields.items() if name in changes]
        update: dict[str, Any] = {"$set": {name: form[name] for name in names if name in form}}
        if absent := [name for name in names if name not in form]:  # null, with `keep_nulls = False`
            update["$unset"] = dict.fromkeys(absent, "")
        return await change_if(type(self), self._as_read(), update)

    async def remove(self) -> Self | None:
        """Delete the stored record if it is still in this state, and return it; return None otherwise."""
        return self if await delete_if(type(self), self._as_read()) else None

    def _as_read(self) -> Filter:
        return {"_id": self.id, "version": self.version}


T = TypeVar("T")
AnyDocument = TypeVar("AnyDocument", bound=Document)
VersionedDocument = TypeVar("VersionedDocument", bound=Versioned)


async def change_if(document: type[AnyDocument], state: Filter, update: Mapping[str, Any]) -> AnyDocument | None:
    """Update the record that matches `state`, its `_id` and the fields as they were read, and return it. The update is
    atomic. Return None if the record has changed or was deleted."""
    changed = await collection(document).find_one_and_update(
        encoded(document, state), encoded(document, update), return_document=ReturnDocument.AFTER
    )
    return None if changed is None else document.model_validate(changed)


async def delete_if(document: type[Document], state: Filter) -> bool:
    """Delete the record that matches `state`, as in `change_if`; return whether it was deleted."""
    result = await collection(document).delete_one(encoded(document, state))
    return bool(result.deleted_count)


async def retry_conflicts(attempt: Callable[[], Awaitable[T | None]], failure: str = TOO_MANY_CHANGES) -> T:
    """Call `attempt` until it returns a result other than None, which means that another write came in between. Return
    the result. Raise what `attempt` raises, and `Unavailable` with the text `failure` after `MAX_TRIES` attempts."""
    for _ in range(MAX_TRIES):
        if (result := await attempt()) is not None:
            return result
    raise Unavailable(failure)


async def write_current(
    find: Callable[[], Awaitable[VersionedDocument]],
    expects: Preconditions,
    write: Callable[[VersionedDocument], Awaitable[VersionedDocument | None]],
) -> VersionedDocument:
    """Read a record with `find`, check what the client `expects`, and change or remove the record with `write`. Retry
    if another write changed the record in between.

    Raise what `find` raises, `PreconditionFailed`, and `Unavailable` if every attempt conflicted with another write.
    """

    async def attempt() -> VersionedDocument | None:
        record = await find()
        expects.check(record.etag)
        return await write(record)

    return await retry_conflicts(attempt)
