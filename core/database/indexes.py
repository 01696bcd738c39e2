"""The indexes that a document declares, and their creation."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

from beanie import Document
from beanie.odm.utils.typing import get_index_attributes
from bson import ObjectId
from pydantic import BaseModel, RootModel
from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from core.database.errors import is_outage
from core.errors import StartupError


def declared_indexes(document: type[Document]) -> list[IndexModel]:
    """Return every index that a document declares: in its `Settings`, and with `Indexed` at its fields.

    Beanie itself creates only one of several indexes over the same fields, whatever their order, directions and
    options, so a unique index would vanish silently. Private to Beanie, see ADR 12: `get_index_attributes`.
    """
    of_fields = [
        IndexModel([(field.alias or name, attributes[0])], **attributes[1])
        for name, field in document.model_fields.items()
        if (attributes := get_index_attributes(field))
    ]
    # With `merge_indexes`, those of the parents are declared for this document, too.
    owners = reversed(document.mro()) if _setting(document, "merge_indexes") else [document]
    of_settings: list[Any] = [index for owner in owners for index in _listed(owner)]
    indexes = [*of_fields, *(one if isinstance(one, IndexModel) else IndexModel(one) for one in of_settings)]
    return list({repr(index.document): index for index in indexes}.values())


def wrong_indexes(document: type[Document]) -> Iterator[str]:
    """Yield a sentence for each index that has the name of another one, or is over a path that no record has."""
    indexes = declared_indexes(document)
    for name, count in Counter(index.document["name"] for index in indexes).items():
        if count > 1:
            yield f"two indexes of {document.__name__} have the name {name}. Give one of them another name."
    for index in indexes:
        for path in index.document["key"]:
            # The collection of a root also has records of the classes that inherit from it, with fields of their own.
            if not _setting(document, "is_root") and not _is_in(document, path.split(".")):
                near = get_close_matches(path, _stored(document), n=1)
                remedy = f"Did you mean {near[0]}?" if near else "Name a field, or add it to the document."
                name = index.document["name"]
                yield f"the index {name} of {document.__name__} is over {path}, which is no field. {remedy}"


_SCALARS = (str, int, float, bool, bytes, date, time, timedelta, Decimal, Enum, UUID, ObjectId, type(None))


def _is_in(kind: Any, path: Sequence[str]) -> bool:
    """Return whether values of this type can have something at a path of stored names."""
    if not path or path[0].startswith("$"):  # a wildcard, or a part of a `DBRef`
        return True
    origin = get_origin(kind)
    inner = get_args(kind)[:1] if origin is Annotated else get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _is_in_model(kind, path)
    if inner and isinstance(origin, type) and issubclass(origin, Mapping):
        return _is_in(inner[-1], path[1:])
    if inner:
        return any(_is_in(one, path[path[0].isdigit() :]) for one in inner)  # a number is a position in a list
    return not (isinstance(kind, type) and issubclass(kind, _SCALARS))


def _is_in_model(model: type[BaseModel], path: Sequence[str]) -> bool:
    if issubclass(model, RootModel):
        return _is_in(model.model_fields["root"].annotation, path)
    stored = _stored(model)
    return _is_in(stored[path[0]], path[1:]) if path[0] in stored else model.model_config.get("extra") == "allow"


def _stored(model: type[BaseModel]) -> dict[str, Any]:
    """Return the types of a model's fields, by the names under which they are stored."""
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    # A document that declares an `id` of another type does not declare its alias.
    return fields | {"_id": fields.pop("id", fields.get("_id"))} if issubclass(model, Document) else fields


def _listed(owner: type) -> list[Any]:
    return _setting(owner, "indexes") or []


def _setting(document: type, name: str) -> Any:
    """Return a value of the `Settings` of a document, which need not be bound; None if it is not set."""
    return getattr(getattr(document, "Settings", None), name, None)


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
