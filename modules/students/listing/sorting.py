"""Sort orders of a list of students."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from pydantic_core import PydanticCustomError

from core.database import Order, SortKey
from modules.students.fields import subject_of, subject_pattern
from modules.students.listing.conditions import MARKS
from modules.students.sort_keys import last_name_key, name_key, natural_key
from modules.students.subject_catalog.catalog import SubjectCatalog


def _number(text: str) -> float:
    number = float(text)
    if not number >= 0:  # also rejects NaN
        raise ValueError(text)
    return number


def in_utc(time: datetime) -> datetime:
    """Return the time in UTC. Raise `PydanticCustomError`, a `ValueError`, if it is out of the range of UTC years."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time_range", "This time is out of range.") from None


def moment(text: str) -> datetime:
    """Parse a time from a cursor. Raise `ValueError` if it is invalid or has no time zone."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(text)
    return in_utc(time)


def _text(path: str, descending: bool) -> SortKey:
    return SortKey(path, descending)


def _time(path: str, descending: bool) -> SortKey:
    return SortKey(path, descending, parse=moment, write=datetime.isoformat)


def _mark(path: str, descending: bool) -> SortKey:
    return SortKey(path, descending, nullable=True, parse=_number, write=repr)


def _key(source: str, make: Callable[[str], str]) -> Callable[[str, bool], SortKey]:
    """Return a function that makes the sort key over a stored key of the field `source`, which `make` computes."""
    return lambda name, descending: SortKey(f"keys.{name}", descending, parse=make, source=source)


_SORTABLE = {
    "roll_no": _text,
    "natural": _key("roll_no", natural_key),
    "name": _key("name", name_key),
    "last_name": _key("name", last_name_key),
    "branch": _text,
    "created_at": _time,
    "updated_at": _time,
}

_BY_LANGUAGE = {"keys.name", "keys.last_name"}


_KEY_PATTERN = rf"-?({'|'.join(_SORTABLE)}|marks\.{subject_pattern(',')})"
SORT_PATTERN = rf"^{_KEY_PATTERN}(,{_KEY_PATTERN})?$"
"""The pattern of `sort`."""


def _sort_keys(sort: str) -> Iterator[SortKey]:
    for field in sort.split(","):
        name, descending = field.removeprefix("-"), field.startswith("-")
        if name in _SORTABLE:
            yield _SORTABLE[name](name, descending)
        elif name.startswith(MARKS):
            subject = SubjectCatalog.current().name_of(subject_of(name.removeprefix(MARKS)))
            yield _mark(MARKS + subject, descending)
        else:
            known = ", ".join([*_SORTABLE, "marks.SUBJECT"])
            raise PydanticCustomError("sort", "Sort by {known}. Prefix '-' for descending order.", {"known": known})


def check_sort(sort: str) -> str:
    """Validate `sort` and return it. Raise `PydanticCustomError` if it is invalid."""
    if len(list(_sort_keys(sort))) > 2:
        raise PydanticCustomError("sort_fields", "Sort by one field or by two fields.")
    return sort


def order_of(sort: str) -> Order:
    """Return the order of a validated `sort`. The roll number, which is unique, is always the last key. A field that is
    named twice counts once."""
    keys: dict[str, SortKey] = {}
    for key in [*_sort_keys(sort), SortKey("roll_no")]:
        keys.setdefault(key.path, key)
        if key.path == "roll_no":
            break
    return tuple(keys.values())


def is_by_language(order: Order) -> bool:
    """Return whether an order depends on the language of the setting `LOCALE`."""
    return any(key.path in _BY_LANGUAGE for key in order)
