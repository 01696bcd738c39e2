"""The scale of marks from the settings: highest mark, default pass mark, histogram bins and letter grades."""

from decimal import Decimal
from fractions import Fraction

from modules.analytics.settings import AnalyticsSettings
from modules.students import MarkSettings

BINS = 10
"""The number of equal bins of a histogram."""

_PASSING = Fraction(40, 100)


def exact(number: float) -> Fraction:
    """Return the decimal number that a float is displayed as: 0.1 becomes exactly 1/10."""
    return Fraction(Decimal(repr(number)))


def highest_mark() -> Fraction:
    """Return the highest mark, `MARKS_MAX`."""
    return exact(MarkSettings.current().max)


def passing_mark(given: float | None) -> Fraction:
    """Return the lowest mark that passes: `given`, or 40% of the highest mark."""
    return highest_mark() * _PASSING if given is None else exact(given)


def bin_limits() -> list[float]:
    """Return the limits of the histogram bins, from 0 to the highest mark."""
    return [float(highest_mark() * number / BINS) for number in range(BINS + 1)]


def grade_of(mark: Fraction) -> str:
    """Return the best letter grade whose threshold the mark reaches. Thresholds are percentages of `MARKS_MAX`, and so
    is the mark: one of a subject with another maximum must be converted first.

    A threshold is the least mark that earns the grade, as that of an exam board
    (https://www.aqa.org.uk/exams-administration/results-days/grade-boundaries-and-ums). Nothing is rounded up to it:
    with a threshold of 80, an average of 79.995 is below.
    """
    percentage = mark * 100 / highest_mark()
    return next(grade for grade, threshold in AnalyticsSettings.current().grades if percentage >= Fraction(threshold))
