"""The scale of marks, as the settings say: the highest one, what passes by itself, and the letter grades."""

from decimal import Decimal
from fractions import Fraction

from modules.analytics.settings import AnalyticsSettings
from modules.students import MarkSettings

BINS = 10
"""How many equal parts the scale has in a histogram."""

_PASSING = Fraction(40, 100)


def exact(number: float) -> Fraction:
    """The number that people see: 0.1 is a tenth, although no float is."""
    return Fraction(Decimal(repr(number)))


def highest_mark() -> Fraction:
    """The highest mark, `MARKS_MAX`."""
    return exact(MarkSettings.current().max)


def passing_mark(given: Decimal | None) -> Fraction:
    """The least mark that passes: the one that was given, or 40% of the highest."""
    return highest_mark() * _PASSING if given is None else Fraction(given)


def bin_limits() -> list[float]:
    """The limits of the bins, from 0 to the highest mark."""
    return [float(highest_mark() * number / BINS) for number in range(BINS + 1)]


def grade_of(mark: Fraction) -> str:
    """The best letter grade whose threshold, a percentage of the highest mark, the mark reaches."""
    percentage = mark * 100 / highest_mark()
    return next(grade for grade, threshold in AnalyticsSettings.current().grades if percentage >= Fraction(threshold))
