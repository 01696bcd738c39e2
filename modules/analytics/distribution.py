"""Exact statistics of a frequency distribution of marks.

Marks are integers in hundredths, and every sum is exact. So no result depends on the order of the marks, and each
result is rounded only once, on conversion to a float. Marks of a subject with a maximum of its own are converted to the
scale of the others with the factor `scale`, just before that.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Self

HUNDREDTHS = 100


@dataclass(frozen=True)
class Distribution:
    """Distinct marks in hundredths, ascending, the number of students with each, and the factor that converts the
    marks to the scale of the figures."""

    marks: Sequence[int]
    counts: Sequence[int]
    scale: Fraction = Fraction(1)

    @classmethod
    def of(cls, counted: Iterable[tuple[int, int]], scale: Fraction = Fraction(1)) -> Self:
        """Return the distribution of (mark in hundredths, count) pairs, in any order; marks may repeat."""
        sums: dict[int, int] = {}
        for mark, count in counted:
            sums[mark] = sums.get(mark, 0) + count
        marks = sorted(sums)
        return cls(marks, [sums[mark] for mark in marks], scale)

    @cached_property
    def _up_to(self) -> list[int]:
        """The cumulative counts: for each mark, the number of students with this mark or a lower one."""
        return list(accumulate(self.counts))

    @property
    def n(self) -> int:
        """The number of students with a mark."""
        return self._up_to[-1] if self.counts else 0

    @cached_property
    def _sum(self) -> int:
        return sum(mark * count for mark, count in zip(self.marks, self.counts, strict=True))

    @property
    def mean(self) -> float | None:
        """The arithmetic mean, or None without marks."""
        return self._shown(Fraction(self._sum, self.n)) if self.n else None

    @property
    def standard_deviation(self) -> float | None:
        """The sample standard deviation, or None for fewer than two marks. It divides by n - 1 (NIST/SEMATECH
        e-Handbook of Statistical Methods, section 1.3.5.6)."""
        if self.n < 2:
            return None
        squares = sum(mark * mark * count for mark, count in zip(self.marks, self.counts, strict=True))
        variance = Fraction(self.n * squares - self._sum**2, self.n * (self.n - 1) * HUNDREDTHS**2)
        return math.sqrt(variance * self.scale**2)

    def quartile(self, number: int) -> float | None:
        """Return quartile 1, 2 (the median) or 3, or None without marks. Linear method: R's type 7, numpy's default
        (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, definition 7)."""
        if not self.n:
            return None
        index, quarters = divmod((self.n - 1) * number, 4)
        lower, upper = self._at(index), self._at(min(index + 1, self.n - 1))
        return self._shown(Fraction(4 * lower + quarters * (upper - lower), 4))

    @property
    def lowest(self) -> float | None:
        """The lowest mark, or None without marks."""
        return self._shown(Fraction(self.marks[0])) if self.n else None

    @property
    def highest(self) -> float | None:
        """The highest mark, or None without marks."""
        return self._shown(Fraction(self.marks[-1])) if self.n else None

    def at_least(self, mark: Fraction) -> int:
        """Return the number of students with this mark or a higher one. `mark` is on the scale of the figures."""
        return self.n - self._below(math.ceil(mark * HUNDREDTHS / self.scale))

    def above(self, mark: int) -> int:
        """Return the number of students with a higher mark. `mark` is in hundredths."""
        return self.n - self._below(mark + 1)

    def equal_to(self, mark: int) -> int:
        """Return the number of students with exactly this mark. `mark` is in hundredths."""
        return self._below(mark + 1) - self._below(mark)

    def histogram(self, top: Fraction, bins: int) -> list[int]:
        """Return the number of marks in each of `bins` equal bins from 0 to `top`, on the scale of the figures.

        A bin includes its lower limit and excludes its upper one; the last bin also includes `top` and higher marks.
        """
        heights = [0] * bins
        width = top * HUNDREDTHS / bins / self.scale
        for mark, count in zip(self.marks, self.counts, strict=True):
            heights[min(bins - 1, mark * width.denominator // width.numerator)] += count
        return heights

    def _shown(self, hundredths: Fraction) -> float:
        return float(hundredths * self.scale / HUNDREDTHS)

    def _below(self, mark: int) -> int:
        index = bisect_left(self.marks, mark)
        return self._up_to[index - 1] if index else 0

    def _at(self, index: int) -> int:
        """Return the mark at an index, counted from 0, of the sorted list of all marks."""
        return self.marks[bisect_right(self._up_to, index)]
