"""A student's total and average: figures that are made from marks with different maxima.

total    The sum of the marks in the subjects that count in it. Marks are added as they are, so a total is told with
         the sum of the maxima of these subjects, such as 88 of 110.
average  Of the same subjects: each mark divided by the maximum of its subject, the mean of these shares, times
         `MARKS_MAX`. So each subject weighs the same, and 8 of 10 weighs as much as 80 of 100. This is the
         aggregation "Mean of grades" of Moodle (https://docs.moodle.org/en/Grade_aggregation).

A subject without a mark is in neither: it is not taken for zero, and a student with few subjects has the mean of few
(Moodle: "Exclude empty grades"). No figure is rounded before it is compared or becomes a float.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from modules.students.settings import MarkSettings
from modules.students.subject_catalog.catalog import SubjectCatalog

Marks = Mapping[str, int | float]

_HUNDREDTHS = 100
_PLAIN = SubjectCatalog()


@lru_cache(1000)
def _ratio(numerator: float, denominator: float) -> Fraction:
    """Return the ratio of two decimal numbers, as they are displayed: 0.3 to 0.1 is exactly 3."""
    return Fraction(repr(numerator)) / Fraction(repr(denominator))


@dataclass(frozen=True, slots=True)
class MarkFigures:
    """The figures of marks by the maxima of their subjects. By default, all subjects have the maximum `MARKS_MAX` and
    count in the total."""

    catalog: SubjectCatalog = _PLAIN

    @property
    def is_plain(self) -> bool:
        """Whether no subject has a maximum of its own, and all count: then nothing needs to be told about them."""
        return not self.catalog.maxima and not self.catalog.uncounted

    def factor(self, subject: str) -> Fraction:
        """Return the number that converts a mark in a subject to the scale from 0 to `MARKS_MAX`."""
        own = self.catalog.own_max(subject)
        return Fraction(1) if own is None else _ratio(MarkSettings.current().max, own)

    def counted(self, marks: Marks) -> Marks:
        """Return the marks in the subjects that count in the total."""
        if not self.catalog.uncounted:
            return marks
        return {subject: mark for subject, mark in marks.items() if self.catalog.counts(subject)}

    def total(self, marks: Marks) -> int | None:
        """Return the total in hundredths, an exact integer; None without a mark that counts."""
        counted = self.counted(marks)
        return sum(map(_hundredths, counted.values())) if counted else None

    def highest_mark(self, subject: str | None) -> int | float:
        """Return the maximum of a subject; without one, that of averages: `MARKS_MAX`."""
        return _shown(MarkSettings.current().max if subject is None else self.catalog.max_of(subject))

    def highest_total(self, marks: Marks) -> int | float:
        """Return the sum of the maxima of the subjects whose marks are in the total."""
        maxima = (self.catalog.max_of(subject) for subject in self.counted(marks))
        return _shown(float(sum(Fraction(repr(one)) for one in maxima)))

    def average(self, marks: Marks) -> Fraction | None:
        """Return the exact average on the scale from 0 to `MARKS_MAX`; None without a mark that counts."""
        counted = self.counted(marks)
        if not counted:
            return None
        if not self.catalog.maxima:
            return Fraction(sum(map(_hundredths, counted.values())), len(counted) * _HUNDREDTHS)
        scaled = sum(_hundredths(mark) * self.factor(subject) for subject, mark in counted.items())
        return Fraction(scaled) / (len(counted) * _HUNDREDTHS)

    def stored(self, marks: Marks) -> tuple[int | None, float | None]:
        """Return total and average as they are stored: in hundredths, the average as a float. Equal averages have equal
        floats, because division rounds correctly."""
        average = self.average(marks)
        return self.total(marks), None if average is None else float(average * _HUNDREDTHS)


def _hundredths(mark: float) -> int:
    return round(mark * _HUNDREDTHS)


def _shown(number: float) -> int | float:
    return int(number) if number == int(number) else number
