"""Keyset pagination: each page starts after the last record of the previous page, so all pages cost the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from beanie import SortDirection
from bson import ObjectId
from bson.errors import InvalidId

T = TypeVar("T")

Filter = dict[str, Any]
Position = tuple[Any, ...]
"""The values of the sort keys in one record, after which a page starts."""


def _plain(text: str) -> str:
    text.encode()  # raises ValueError for a lone surrogate, which MongoDB cannot store
    return text


def object_id(text: str) -> ObjectId:
    """Parse an `_id` from a cursor. Raise `ValueError` if it is not valid."""
    try:
        return ObjectId(text)
    except InvalidId as error:
        raise ValueError(text) from error


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of a sort order.

    path        the stored field
    source      the stored field that `parse` makes the value of `path` from, if that is a sort key. Cursors have the
                values of this field, which are shorter, and reveal nothing else.
    nullable    whether records may lack the field; such records sort before all others, as in MongoDB
    parse       parses a value from a cursor; raises `ValueError` if the value is not valid
    write       formats a value for a cursor
    """

    path: str
    descending: bool = False
    nullable: bool = False
    parse: Callable[[str], Any] = _plain
    write: Callable[[Any], str] = str
    source: str = ""

    @property
    def shown(self) -> str:
        """The stored field whose values cursors have."""
        return self.source or self.path

    def reversed(self) -> "SortKey":
        """Return the same key in the opposite direction."""
        return replace(self, descending=not self.descending)

    def beyond(self, value: Any) -> Filter | None:
        """Return the filter for the records after a value; None if there can be none."""
        if value is None:
            return None if self.descending else {self.path: {"$ne": None}}
        if not self.descending:
            return {self.path: {"$gt": value}}
        return {self.path: {"$not": {"$gte": value}} if self.nullable else {"$lt": value}}


Order = tuple[SortKey, ...]
"""The keys by which a list is sorted. Together they are unique, so that the order is total."""


def reversed_order(order: Order) -> Order:
    """Return the opposite order."""
    return tuple(key.reversed() for key in order)


def sort_of(order: Order) -> list[tuple[str, SortDirection]]:
    """Return an order as a MongoDB sort specification."""
    return [(key.path, SortDirection.DESCENDING if key.descending else SortDirection.ASCENDING) for key in order]


def beyond(order: Order, position: Position) -> Filter:
    """Return the filter for the records after a position: those that come later by the first key, or have an equal
    first key and come later by the second, and so on."""
    clauses: list[Filter] = []
    equal: Filter = {}
    for key, value in zip(order, position, strict=True):
        later = key.beyond(value)
        if later is not None:
            clauses.append(equal | later)
        equal |= {key.path: value}
    return clauses[0] if len(clauses) == 1 else {"$or": clauses}


def position_of(order: Order, record: Any) -> Position:
    """Return the values of the sort keys in a record, which is a mapping from MongoDB or a Beanie document.

    A key with a `source` is computed from it, so that lists need not read the stored one.
    """
    return tuple(key.parse(value_of(record, key.source)) if key.source else value_of(record, key.path) for key in order)


def value_of(record: Any, path: str) -> Any:
    """Return the value of a field in such a record, or None."""
    for step in path.split("."):
        if record is None or isinstance(record, Mapping):
            record = record.get(step) if record is not None else None
        else:
            record = getattr(record, "id" if step == "_id" else step)
    return record


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: its records, in the list's order, and whether there are records before and after them."""

    items: Sequence[T]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The requested page of a list: up to `limit` records after a position, or before it if `backwards`; the first
    records if there is no position."""

    order: Order
    limit: int
    position: Position | None = None
    backwards: bool = False

    @property
    def reading_order(self) -> Order:
        """The order in which to read the records, starting at the position."""
        return reversed_order(self.order) if self.backwards else self.order

    @property
    def filter(self) -> Filter:
        """The filter for the records after the position, in reading order."""
        return {} if self.position is None else beyond(self.reading_order, self.position)

    @property
    def sort(self) -> list[tuple[str, SortDirection]]:
        """The reading order as a MongoDB sort specification."""
        return sort_of(self.reading_order)

    def page(self, found: Sequence[T]) -> Page[T]:
        """Return the page, given the records in reading order from a query for `limit + 1` records."""
        items, more = found[: self.limit], len(found) > self.limit
        if self.backwards:
            return Page(items[::-1], has_previous=more, has_next=bool(items))
        return Page(items, has_previous=self.position is not None and bool(items), has_next=more)
