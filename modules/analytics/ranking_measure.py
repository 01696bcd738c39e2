"""Measures that students can be ranked by: total, average, or the mark in a subject."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.database import Order, SortKey
from modules.students import MarkFigures, SubjectCatalog, subject_of

MARKS = "marks."

# Above any total, and within the range of MongoDB's integers.
_HIGHEST = 2**53


def _number(text: str) -> int | float:
    """Parse a value from a cursor. Raise `ValueError` if it is invalid."""
    number = int(text) if text.isascii() and text.isdecimal() else float(text)
    if not 0 <= number <= _HIGHEST:  # also rejects NaN
        raise ValueError(text)
    return number


@dataclass(frozen=True, slots=True)
class Measure:
    """The stored field that students are ranked by, and the divisor that converts stored to displayed values."""

    path: str
    divisor: int = 1

    @property
    def subject(self) -> str | None:
        """The subject, or None for the total and the average."""
        return self.path.removeprefix(MARKS) if self.path.startswith(MARKS) else None

    @property
    def is_total(self) -> bool:
        """Whether this is the total."""
        return self == BY_TOTAL

    def maximum(self, record: Mapping[str, Any], figures: MarkFigures) -> int | float:
        """Return the highest value that the student of a record could have. For the total, the record needs marks."""
        return figures.highest_total(record["marks"]) if self.is_total else figures.highest_mark(self.subject)

    @property
    def order(self) -> Order:
        """The sort order: descending by value, ties by roll number."""
        return SortKey(self.path, descending=True, parse=_number, write=repr), SortKey("roll_no")

    def stored(self, record: Mapping[str, Any]) -> int | float:
        """Return the stored value of a ranked student."""
        field, _, key = self.path.partition(".")
        number: int | float = record[field][key]
        return number

    def shown(self, number: int | float) -> int | float:
        """Return a stored value as displayed. Whole numbers are integers."""
        if self.divisor == 1:
            return number
        shown = number / self.divisor
        return int(shown) if shown == math.floor(shown) else shown


# Both are stored in hundredths.
BY_TOTAL = Measure("keys.total", 100)
BY_AVERAGE = Measure("keys.average", 100)


def by_subject(subject: str) -> Measure:
    """Return the measure for the marks in a subject."""
    return Measure(MARKS + subject)


def measure_of(by: str) -> Measure:
    """Return the measure for `total`, `average`, `SUBJECT` or `marks.SUBJECT`, whose subject may be an alias.

    The last form is unambiguous, because no subject contains a dot. Raise `PydanticCustomError` for an invalid subject.
    """
    match by:
        case "total":
            return BY_TOTAL
        case "average":
            return BY_AVERAGE
        case _:
            return by_subject(SubjectCatalog.current().name_of(subject_of(by.removeprefix(MARKS))))


def check_measure(by: str) -> str:
    """Validate `by` and return it. Raise `PydanticCustomError` if it is invalid."""
    measure_of(by)
    return by
