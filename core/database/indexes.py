"""The indexes that a document declares, and their creation."""

from collections.abc import Sequence
from typing import Any

from beanie import Document
from beanie.odm.utils.typing import get_index_attributes
from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from core.database.errors import is_outage
from core.errors import StartupError


def declared_indexes(document: type[Document]) -> list[IndexModel]:
    """Return every index that a bound document declares: in its `Settings`, and with `Indexed` at its fields.

    Beanie itself creates only one of several indexes over the same fields, whatever their order, directions and
    options, so a unique index would vanish silently. Private to Beanie, see ADR 12: `get_index_attributes`.
    """
    of_fields = [
        IndexModel([(field.alias or name, attributes[0])], **attributes[1])
        for name, field in document.model_fields.items()
        if (attributes := get_index_attributes(field))
    ]
    # With `merge_indexes`, those of the parents are declared for this document, too.
    owners = reversed(document.mro()) if document.get_settings().merge_indexes else [document]
    of_settings: list[Any] = [index for owner in owners for index in _listed(owner)]
    indexes = [*of_fields, *(one if isinstance(one, IndexModel) else IndexModel(one) for one in of_settings)]
    return list({repr(index.document): index for index in indexes}.values())


def _listed(owner: type) -> list[Any]:
    return getattr(getattr(owner, "Settings", None), "indexes", [])


async def create_indexes(target: Any, indexes: Sequence[IndexModel]) -> None:
    """Create the indexes of a collection. Raise `StartupError` that names an index that the server refuses."""
    if not indexes:
        return
    try:
        await target.create_indexes(indexes)
    except OperationFailure as error:
        if is_outage(error):
            raise
        for index in indexes if len(indexes) > 1 else ():
            await create_indexes(target, [index])  # to find the one that is refused
        # The server's text would show stored values.
        duplicates = isinstance(error, DuplicateKeyError)
        reason = "several records have the same values" if duplicates else (error.details or {}).get("errmsg", error)
        names = ", ".join(index.document["name"] for index in indexes)
        raise StartupError(f"The index {names} of the collection {target.name} cannot be created: {reason}") from error
