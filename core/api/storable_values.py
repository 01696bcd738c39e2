"""The check that MongoDB can store a value from a request.

The types of a schema allow more: an `int` may have any size, and `JsonValue` contains anything.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticCustomError, PydanticKnownError

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
MAX_DIGITS = 34
MAX_DEPTH = 50  # MongoDB's own limit is 100 or more, for the document in which the value is stored

_NUMBERS = (int, float, Decimal)
_TIMES = (datetime, timedelta)
_COLLECTIONS = (list, tuple, set, frozenset)


def check_storable(value: Any, depth: int = 0) -> None:
    """Raise a pydantic error if MongoDB cannot store a value, or one inside of it, or would return another one.

    Values of other types are not checked: `core.database.unstorable_fields` finds the types.
    """
    if depth > MAX_DEPTH:
        raise PydanticCustomError("too_deep", "This must have at most {most} levels.", {"most": MAX_DEPTH})
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, _NUMBERS):
        _check_number(value)
    elif isinstance(value, _TIMES):
        _check_time(value)
    else:
        for item in _items(value):
            check_storable(item, depth + 1)


def _items(value: Any) -> Iterable[Any]:
    """Return the values in a collection or a model; nothing for another value. Raise a pydantic error for a key."""
    if isinstance(value, Mapping):
        for key in value:
            _check_key(key)
        return value.values()
    if isinstance(value, BaseModel):
        return [item for _, item in value]
    return value if isinstance(value, _COLLECTIONS) else ()


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise PydanticKnownError("string_unicode") from None


def _check_number(number: float | Decimal) -> None:
    if isinstance(number, Decimal):
        if len(number.as_tuple().digits) > MAX_DIGITS:
            raise PydanticKnownError("decimal_max_digits", {"max_digits": MAX_DIGITS})
    elif isinstance(number, float):
        if not isfinite(number):
            raise PydanticKnownError("finite_number")
    elif number > MAX_INTEGER:
        raise PydanticKnownError("less_than_equal", {"le": MAX_INTEGER})
    elif number < MIN_INTEGER:
        raise PydanticKnownError("greater_than_equal", {"ge": MIN_INTEGER})


def _check_time(value: datetime | timedelta) -> None:
    try:
        if isinstance(value, datetime):
            value.astimezone(UTC)  # as it is stored
        else:
            timedelta(seconds=value.total_seconds())  # as it is read: seconds are stored, as a float
    except OverflowError:
        raise PydanticCustomError("out_of_range", "This time is out of range.") from None


def _check_key(key: Any) -> None:
    if isinstance(key, str):
        _check_text(key)
        if "\0" in key or key.startswith("$"):
            raise PydanticCustomError("key_name", "The names of entries must not start with '$' or contain U+0000.")
