"""Types of fields in records besides text: days, times of day, decimals, e-mail addresses and choices.

Each has an example for the documentation, an error with a code and a sentence of its own, a form in which MongoDB
stores it, and an order. Lists sort days and decimals by `day_sort_key` and `decimal_sort_key`. The others are stored as
text, and lists sort them by a plain `SortKey`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, get_args

import email_validator
from beanie import DecimalAnnotation
from bson import Decimal128
from pydantic import (
    BeforeValidator,
    EmailStr,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError

from core.api.text_fields import DocumentedPattern
from core.database import SortKey
from core.errors import StartupError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)

_MAX_DIGITS = 15
_READ_DECIMAL = get_args(DecimalAnnotation)[1]


def _check_day(value: Any) -> Any:
    # By default, pydantic takes 86400 for a number of seconds since 1970, and a time at midnight for a day.
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise PydanticKnownError("date_type")


def _check_time_of_day(value: Any) -> Any:
    if isinstance(value, str) and _TIME_OF_DAY.fullmatch(value):
        return value
    raise PydanticKnownError("time_type")


def _check_decimal(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and not _DECIMAL.fullmatch(value)):
        raise PydanticKnownError("decimal_type")
    return value


def _check_email(email: Any, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        checked = check(email)
    except ValidationError:
        if not isinstance(email, str):
            raise
        checked = None
    # By default, the parser accepts "Bob <bob@example.com>" and drops "Bob".
    if checked is None or "<" in email:
        raise PydanticCustomError(
            "email", "Send only an e-mail address with a public domain, such as alice@example.com."
        )
    return checked


Day = Annotated[date, BeforeValidator(_check_day), Field(examples=["2026-11-22"])]
"""A day, as text such as `2026-11-22` (RFC 3339, full-date) and nothing else. Stored as its midnight in UTC."""

TimeOfDay = Annotated[
    str,
    BeforeValidator(_check_time_of_day),
    DocumentedPattern(f"^{_TIME_OF_DAY.pattern}$"),
    Field(examples=["09:30"]),
]
"""A time of day to the minute, such as `09:30`, without a zone. It is text, as MongoDB has no type for it."""


@dataclass(frozen=True, slots=True)
class DecimalField:
    """A number with an exact decimal value, as in `Annotated[Decimal, DecimalField(ge=0, le=10, example=7.25)]`.

    It is a `Decimal` in Python and in MongoDB, and a number in JSON. It has at most 15 digits, because most clients
    read numbers as binary ones, which keep that many. A field that can be null is `Annotated[Decimal, …] | None`.
    """

    ge: float | None = None
    le: float | None = None
    decimal_places: int | None = None
    example: float = 72.5

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if source is not Decimal:  # whose values would not be accepted
            raise StartupError(
                f"DecimalField is for Decimal, and not for {source}. Write `Annotated[Decimal, DecimalField(…)]`, and "
                "for a field that can be null, `Annotated[Decimal, DecimalField(…)] | None`."
            )
        limits = Field(ge=self.ge, le=self.le, decimal_places=self.decimal_places, max_digits=_MAX_DIGITS)
        in_json = PlainSerializer(float, return_type=float, when_used="json")
        # Limits that are added to a type with validators would be missing in the documentation.
        kind: Any = Annotated[Decimal, limits, _READ_DECIMAL, BeforeValidator(_check_decimal), in_json]
        return handler.generate_schema(kind)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        number = made.get("anyOf", [made])[0]  # pydantic also documents text, which is not needed
        return {**number, "examples": [self.example]}


# By default, domains such as `.local` are refused: but an internal network can have them, and nothing is sent to the
# addresses. Editing this list is the library's documented way to allow them.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

Email = Annotated[EmailStr, WrapValidator(_check_email), Field(examples=["alice@example.com"])]
"""An e-mail address, without a name beside it."""


class Choice(StrEnum):
    """Base class of an enumeration: its values are texts, of which a field has one. The first one is the example."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        made = handler(schema)
        handler.resolve_ref_schema(made)["examples"] = [next(iter(cls)).value]
        return made


def _parse_day(text: str) -> datetime:
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return datetime.combine(date.fromisoformat(text), time.min, UTC)


def _write_day(day: date) -> str:
    return day.isoformat()[:10]  # what is read without a document is a datetime


def _parse_decimal(text: str) -> Decimal128:
    if not _DECIMAL.fullmatch(text) or len(text) > 2 * _MAX_DIGITS:
        raise ValueError(text)
    return Decimal128(text)


def _write_decimal(number: Decimal | Decimal128) -> str:
    return f"{number.to_decimal() if isinstance(number, Decimal128) else number:f}"


day_sort_key = partial(SortKey, parse=_parse_day, write=_write_day)
"""Return the key of a `Day` in the order of a list; the arguments are those of `SortKey`."""

decimal_sort_key = partial(SortKey, parse=_parse_decimal, write=_write_decimal)
"""Return the key of a decimal in the order of a list; the arguments are those of `SortKey`."""
