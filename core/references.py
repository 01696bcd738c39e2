"""References: records of one module that belong to a record of another module, their owner, which is found by `_id`.

A record has a copy of those fields of its owner that lists sort and filter by. So lists need one query, and their pages
are full although the records of deleted owners are hidden. The copies follow the owners' changes, usually within a
second or two. The records of an erased owner are deleted before the erasure is final.
"""

from asyncio import sleep
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

from beanie import BackLink, Document, Link, PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel
from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from core.database import Filter, Page, SortKey, Window, collection, collection_name, object_id, read_majority
from core.errors import FieldError, InvalidRequest, NotFound, Problem, StartupError
from core.events import Event, Follow

_BATCH = 500

# How many of the newest records are checked for copies that a process that died has left old.
_MAX_SWEPT = 10_000

SETTLE_SECONDS = 5.0
"""How long the check of the data waits before it reports a copy as old: changes of owners are delivered meanwhile."""

_REMEDY = "The service updates it within seconds, or within an hour if a process has died. Otherwise, change the {}."


class OwnerCopy(BaseModel):
    """What a record stores of its owner. A subclass has the fields that lists sort and filter by.

    id       the owner's `_id`, which never changes
    version  the owner's version from which the copy was made: an older copy does not replace a newer one
    live     whether the owner is not deleted; the records of deleted owners are hidden
    """

    id: PydanticObjectId
    version: int
    live: bool


def copies_in(annotation: Any, seen: set[type]) -> Iterator[type[OwnerCopy]]:
    """Yield the copies of owners in a field of this type, also those inside of lists, models and so on. `seen` are the
    models that need no second look. A linked document is stored elsewhere."""
    if not isinstance(annotation, type):
        inner = () if get_origin(annotation) in (Link, BackLink) else get_args(annotation)
    elif issubclass(annotation, OwnerCopy):
        yield annotation
        return
    else:
        inner = () if annotation in seen else tuple(_types_of_fields(annotation))
        seen.add(annotation)
    for one in inner:
        yield from copies_in(one, seen)


def _types_of_fields(kind: type) -> Iterable[Any]:
    if issubclass(kind, BaseModel):
        return (field.annotation for field in kind.model_fields.values())
    # A named tuple has hints, a plain one has none.
    return get_type_hints(kind).values() if is_typeddict(kind) or issubclass(kind, tuple) else ()


Copy = TypeVar("Copy", bound=OwnerCopy)
AnyDocument = TypeVar("AnyDocument", bound=Document)


@dataclass(frozen=True, kw_only=True, eq=False)
class Owners(Generic[Copy]):
    """The records of a module that records of other modules can belong to. The module offers it in its `__all__`.

    name        the field with the copy in a record that belongs to one of them, such as `student`
    orders      the fields of a copy that indexes are needed for: each a list of fields to sort or filter by
    copy_of     makes a copy of a record that `changed` delivers
    find        returns copies of those records that have these public keys and are not deleted, by key
    find_by_id  returns copies of the records with these `_id`s, also of deleted ones, read with majority concern
    not_found   the problem if there is no record with a public key
    changed     the event of changes, with the changed records
    erased      the event of an erasure, with an object that has the `_id` of the record as `id`
    gone        the event that records with these `_id`s, or none, were erased some time ago, for what was left of them;
                it happens at startup and hourly
    """

    name: str
    orders: tuple[tuple[str, ...], ...]
    copy_of: Callable[[Any], Copy]
    find: Callable[[Collection[str]], Awaitable[Mapping[str, Copy]]]
    find_by_id: Callable[[Collection[ObjectId]], Awaitable[Mapping[ObjectId, Copy]]]
    not_found: type[NotFound]
    changed: Event[Any]
    erased: Event[Any]
    gone: Event[Collection[ObjectId]]

    def indexes(self, *then: str, unique: bool = False) -> list[IndexModel]:
        """Return the indexes of a document whose records belong to these owners: by owner and `then` by other fields of
        the document, which can be unique, and one for each of the `orders`."""
        by_owner = [(f"{self.name}.id", 1), *((field, 1) for field in then)]
        paths = [[f"{self.name}.live", *(f"{self.name}.{field}" for field in fields), "_id"] for fields in self.orders]
        return [
            IndexModel(by_owner, name=f"by_{self.name}", unique=unique),
            *(
                IndexModel([(path, 1) for path in keys], name=f"by_{self.name}_{'_and_'.join(fields)}")
                for keys, fields in zip(paths, self.orders, strict=True)
            ),
        ]

    def order(self, field: str, *, descending: bool = False) -> tuple[SortKey, SortKey]:
        """Return the order of a list by a text field of the owners' copies, and then by `_id`."""
        return SortKey(f"{self.name}.{field}", descending), SortKey("_id", descending, parse=object_id)


@dataclass(frozen=True)
class Reference(Generic[Copy]):
    """A module's declaration that each record of a document belongs to one of these owners.

    The document has a field with the name of the owners (`owners.name`), and the indexes of `owners.indexes`.
    """

    document: type[Document]
    owners: Owners[Copy]

    @property
    def follows(self) -> tuple[Follow[Any], ...]:
        """What the module of the document does when owners change or are erased. For a record that is inserted after
        that, `confirm` does it or, if the process dies before, `_sweep`."""
        owners = self.owners
        forget = (Follow(owners.erased, self._forget), Follow(owners.gone, self._sweep))
        return *forget, Follow(owners.changed, self._refresh_changed)

    def check(self) -> None:
        """Raise `StartupError` if the document lacks the field or an index by owner, or if the field is no copy."""
        name, document = self.owners.name, self.document.__name__
        if name not in self.document.model_fields:
            raise StartupError(f"{document} has a Reference but no field {name}.")
        kind = self.document.model_fields[name].annotation
        if not (isinstance(kind, type) and issubclass(kind, OwnerCopy)):
            raise StartupError(f"{document} has a Reference, but its field {name} is no copy of an owner.")
        indexes = getattr(getattr(self.document, "Settings", None), "indexes", [])
        first = [next(iter(one.document["key"])) for one in indexes if isinstance(one, IndexModel)]
        if f"{name}.id" not in first:
            raise StartupError(f"{document} has no index that begins with {name}.id. Add the owners' `indexes()`.")

    async def owner(self, key: str, *, pointer: str | None = None) -> Copy:
        """Return a copy of the owner with this public key, for a new record or for `of`.

        If there is none, or if it is deleted, raise `not_found` (404): the URL names the owner. With `pointer`, the
        body names it: raise `InvalidRequest` (422) that points there.
        """
        found = (await self.owners.find([key])).get(key)
        if found is not None:
            return found
        raise self._unknown(f"There is no {self.owners.name} {key}.", pointer)

    async def insert(self, record: AnyDocument, *, pointer: str | None = None) -> AnyDocument:
        """Insert a record that has a copy of its owner. Raise the error of `owner` if the owner has been erased
        meanwhile, and `DuplicateKeyError`."""
        copy: Copy = getattr(record, self.owners.name)
        try:
            await record.insert()
        except DuplicateKeyError:
            await self.confirm([copy])  # which the process may not have done that inserted the other record
            raise
        if await self.confirm([copy]):
            raise self._unknown(f"There is no longer such a {self.owners.name}.", pointer)
        return record

    def _unknown(self, detail: str, pointer: str | None) -> Problem:
        if pointer is None:
            return self.owners.not_found(detail)
        return InvalidRequest(errors=[FieldError(code="unknown_reference", detail=detail, pointer=pointer)])

    async def confirm(self, copies: Iterable[Copy]) -> set[ObjectId]:
        """Complete the insertion of records with these copies of their owners, by any command, after that command.

        An owner may have changed or been erased since it was read, before the records were there to be updated or
        deleted. Update all copies of these owners, also those that were left by a process that died, delete the records
        of owners that no longer exist, and return the `_id`s of these.
        """
        return await self._complete({ObjectId(copy.id) for copy in copies})

    async def _complete(self, owners: set[ObjectId]) -> set[ObjectId]:
        gone = set[ObjectId]()
        while owners:
            found = await self.owners.find_by_id(owners)
            if missing := owners - found.keys():
                await self._delete(missing)
                gone |= missing
            stored = self._by_owner(collection(self.document), {"$match": {self._id: {"$in": list(found)}}})
            owners = _outdated(await stored.to_list(None), found)
            await self._refresh(found[one] for one in owners)  # and look again: they may have changed meanwhile
        return gone

    def of(self, owner: Copy) -> Filter:
        """Return the filter for the records of one owner."""
        return {self._id: owner.id}

    def where(self, **fields: Any) -> Filter:
        """Return the filter for the records whose owners are not deleted, and have these values in their copies."""
        return {f"{self.owners.name}.{field}": value for field, value in {"live": True, **fields}.items()}

    async def page(self, window: Window, condition: Filter) -> Page[Any]:
        """Return one page of the records that meet a condition, usually one of `of` or `where`."""
        query = {"$and": [condition, window.filter]} if window.filter else condition
        return window.page(await self.document.find(query).sort(window.sort).limit(window.limit + 1).to_list())

    async def data_check(self) -> AsyncIterator[str]:
        """Yield a sentence for each owner that records belong to and that does not exist, or has old copies."""
        name, stored = self.owners.name, read_majority(self.document)
        has = f"The collection {collection_name(self.document)} has"
        suspects = set[ObjectId]()
        async for missing, outdated in self._compared(stored, {"$sort": {self._id: 1}}):
            suspects |= outdated
            for key in sorted(missing):
                yield f"{has} records of a {name} that does not exist: {key}."
        if suspects:
            await sleep(SETTLE_SECONDS)
        async for _, outdated in self._compared(stored, {"$match": {self._id: {"$in": list(suspects)}}}):
            for key in sorted(outdated):
                yield f"{has} records with an old copy of the {name} {key}. {_REMEDY.format(name)}"

    @property
    def _id(self) -> str:
        return f"{self.owners.name}.id"

    async def _forget(self, erased: Any) -> None:
        await self._delete([erased.id])

    async def _sweep(self, erased: Collection[ObjectId]) -> None:
        """Complete the insertions of processes that died before `confirm`, among the newest records: delete those of
        owners who were erased, and update old copies of the others. Further owners that do not exist may be about to be
        restored from a backup."""
        await self._delete(erased)
        newest = ({"$sort": {"_id": -1}}, {"$limit": _MAX_SWEPT})
        async for _, outdated in self._compared(read_majority(self.document), *newest):
            await self._complete(outdated)

    async def _compared(self, stored: Any, *stages: Any) -> AsyncIterator[tuple[set[ObjectId], set[ObjectId]]]:
        """Compare the copies in the records of these stages of an aggregation with their owners, in batches. Yield the
        owners that do not exist, and those with an old copy."""
        cursor = self._by_owner(stored, *stages)
        while batch := await cursor.to_list(_BATCH):
            ids = {one["_id"] for one in batch}
            found = await self.owners.find_by_id(ids)
            yield ids - found.keys(), _outdated(batch, found)

    def _by_owner(self, stored: Any, *stages: Any) -> Any:
        """Return a cursor over the owners of the records of these stages, each with its different copies."""
        group = {"_id": f"${self._id}", "copies": {"$addToSet": f"${self.owners.name}"}}
        return stored.aggregate([*stages, {"$group": group}], allowDiskUse=True)

    async def _delete(self, owners: Collection[ObjectId]) -> None:
        await collection(self.document).delete_many({self._id: {"$in": list(owners)}})

    async def _refresh_changed(self, changed: Sequence[Any]) -> None:
        await self._refresh(map(self.owners.copy_of, changed))

    async def _refresh(self, copies: Iterable[Copy]) -> None:
        """Replace older copies of these owners. Records whose copy has the same values are not written, as most changes
        of an owner concern none of the copied fields."""
        for copy in copies:
            stored = copy.model_dump()
            same = {f"{self.owners.name}.{field}": value for field, value in stored.items() if field != "version"}
            older = {self._id: copy.id, f"{self.owners.name}.version": {"$lt": copy.version}, "$nor": [same]}
            await collection(self.document).update_many(older, {"$set": {self.owners.name: stored}})


def _outdated(stored: Iterable[Any], owners: Mapping[ObjectId, OwnerCopy]) -> set[ObjectId]:
    """Return the owners of which a stored copy is older, and has other values than the owner."""
    return {
        one["_id"]
        for one in stored
        if (owner := owners.get(one["_id"])) and any(_is_old(copy, owner) for copy in one["copies"])
    }


def _is_old(copy: Mapping[str, Any], owner: OwnerCopy) -> bool:
    return bool(copy["version"] < owner.version) and {**copy, "version": owner.version} != owner.model_dump()
