"""What students can be ranked by: their total, their average, or their mark in a subject."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from core.database import Order, SortKey
from modules.students import Subject

MARKS = "marks."

_SUBJECT: TypeAdapter[str] = TypeAdapter(Subject)

# Beyond any total, and within what MongoDB can hold.
_HIGHEST = 2**53


def _number(text: str) -> int | float:
    """Reads a value from a cursor."""
    number = int(text) if text.isascii() and text.isdecimal() else float(text)
    if not 0 <= number <= _HIGHEST:  # which NaN is not, either
        raise ValueError(text)
    return number


@dataclass(frozen=True, slots=True)
class Measure:
    """The stored field that students are ranked by, and by what its numbers are to be divided."""

    path: str
    divisor: int = 1

    @property
    def subject(self) -> str | None:
        """The subject whose marks these are; None for a total or an average."""
        return self.path.removeprefix(MARKS) if self.path.startswith(MARKS) else None

    @property
    def order(self) -> Order:
        """Best first; equal students by roll number."""
        return SortKey(self.path, descending=True, parse=_number, write=repr), SortKey("roll_no")

    def stored(self, record: Mapping[str, Any]) -> int | float:
        """A ranked student's number, as it is stored."""
        field, _, key = self.path.partition(".")
        number: int | float = record[field][key]
        return number

    def shown(self, number: int | float) -> int | float:
        """A stored number as people know it. Whole numbers stay whole."""
        if self.divisor == 1:
            return number
        shown = number / self.divisor
        return int(shown) if shown == math.floor(shown) else shown


# Students keep both in hundredths.
BY_TOTAL = Measure("keys.total", 100)
BY_AVERAGE = Measure("keys.average", 100)


def by_subject(subject: str) -> Measure:
    """The marks in a subject."""
    return Measure(MARKS + subject)


def measure_of(by: str) -> Measure:
    """What a client means by `total`, `average`, `SUBJECT` or `marks.SUBJECT`. No subject has a dot in it, so that
    the last one is never mistaken. Raises pydantic's `ValidationError` for what is no subject."""
    match by:
        case "total":
            return BY_TOTAL
        case "average":
            return BY_AVERAGE
        case _:
            return by_subject(_SUBJECT.validate_python(by.removeprefix(MARKS)))


def check_measure(by: str) -> str:
    """A `by` that means something; raises `PydanticCustomError` for any other."""
    try:
        measure_of(by)
    except ValidationError as error:
        raise PydanticCustomError("subject", "{why}", {"why": error.errors()[0]["msg"]}) from None
    return by
