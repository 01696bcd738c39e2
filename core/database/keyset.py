"""Lists by keyset: a page continues beyond the last record of the one before, at the same cost wherever it lies."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from beanie import SortDirection
from bson import ObjectId
from bson.errors import InvalidId

T = TypeVar("T")

Filter = dict[str, Any]
Position = tuple[Any, ...]
"""The values of an order's keys in one record, beyond which a page begins."""


def _plain(text: str) -> str:
    text.encode()  # a lone surrogate, which MongoDB cannot take, is a ValueError
    return text


def object_id(text: str) -> ObjectId:
    """Reads an `_id` from a cursor."""
    try:
        return ObjectId(text)
    except InvalidId as error:
        raise ValueError(text) from error


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order.

    path        the stored field
    nullable    whether records may be without it; they count as lower than all others, as in MongoDB
    parse       reads a value from a cursor; raises `ValueError` for what cannot be one
    write       the reverse
    """

    path: str
    descending: bool = False
    nullable: bool = False
    parse: Callable[[str], Any] = _plain
    write: Callable[[Any], str] = str

    def reversed(self) -> "SortKey":
        """The same key in the other direction."""
        return replace(self, descending=not self.descending)

    def beyond(self, value: Any) -> Filter | None:
        """What selects the records behind a value; None if there can be none."""
        if value is None:
            return None if self.descending else {self.path: {"$ne": None}}
        if not self.descending:
            return {self.path: {"$gt": value}}
        return {self.path: {"$not": {"$gte": value}} if self.nullable else {"$lt": value}}


Order = tuple[SortKey, ...]
"""The keys by which a list is sorted. Together they are unique, so that each record has a place of its own."""


def reversed_order(order: Order) -> Order:
    """The same list from its end."""
    return tuple(key.reversed() for key in order)


def sort_of(order: Order) -> list[tuple[str, SortDirection]]:
    """An order as MongoDB wants it."""
    return [(key.path, SortDirection.DESCENDING if key.descending else SortDirection.ASCENDING) for key in order]


def beyond(order: Order, position: Position) -> Filter:
    """What selects the records behind a position: behind in the first key, or level there and behind in the next."""
    clauses: list[Filter] = []
    level: Filter = {}
    for key, value in zip(order, position, strict=True):
        further = key.beyond(value)
        if further is not None:
            clauses.append(level | further)
        level |= {key.path: value}
    return clauses[0] if len(clauses) == 1 else {"$or": clauses}


def position_of(order: Order, record: Any) -> Position:
    """The values of an order's keys in a record: a mapping as MongoDB answers it, or a document."""
    return tuple(_value(record, key.path) for key in order)


def _value(record: Any, path: str) -> Any:
    if not isinstance(record, Mapping):
        return getattr(record, "id" if path == "_id" else path)
    for step in path.split("."):
        record = record.get(step) if record is not None else None
    return record


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some records of a list, in its order, and whether there are others before and after them."""

    items: Sequence[T]
    has_previous: bool
    has_next: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Which page of a list is asked for: up to `limit` records after a position, or before it; the first ones where
    there is no position."""

    order: Order
    limit: int
    position: Position | None = None
    backwards: bool = False

    @property
    def reading_order(self) -> Order:
        """The order in which the records are to be read, from the position on."""
        return reversed_order(self.order) if self.backwards else self.order

    @property
    def filter(self) -> Filter:
        """What selects the records from the position on."""
        return {} if self.position is None else beyond(self.reading_order, self.position)

    @property
    def sort(self) -> list[tuple[str, SortDirection]]:
        """The reading order as MongoDB wants it."""
        return sort_of(self.reading_order)

    def page(self, found: Sequence[T]) -> Page[T]:
        """The page, of what was found in reading order when one record more than `limit` was asked for."""
        items, more = found[: self.limit], len(found) > self.limit
        if self.backwards:
            return Page(items[::-1], has_previous=more, has_next=bool(items))
        return Page(items, has_previous=self.position is not None and bool(items), has_next=more)
