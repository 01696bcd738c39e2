"""Arithmetic on a distribution: how often each mark was given. Marks are whole hundredths and every sum is exact, so
that no answer depends on an order, and each number is rounded once, when it becomes a float."""

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
    """Distinct marks in hundredths, rising, and how many students have each."""

    marks: Sequence[int]
    counts: Sequence[int]

    @classmethod
    def of(cls, counted: Iterable[tuple[int, int]]) -> Self:
        """The distribution of marks in hundredths, each with a count, in any order; a mark may come more than once."""
        sums: dict[int, int] = {}
        for mark, count in counted:
            sums[mark] = sums.get(mark, 0) + count
        marks = sorted(sums)
        return cls(marks, [sums[mark] for mark in marks])

    @cached_property
    def _up_to(self) -> list[int]:
        """How many have this mark or a lower one, for each mark."""
        return list(accumulate(self.counts))

    @property
    def n(self) -> int:
        """How many have a mark."""
        return self._up_to[-1] if self.counts else 0

    @cached_property
    def _sum(self) -> int:
        return sum(mark * count for mark, count in zip(self.marks, self.counts, strict=True))

    @property
    def mean(self) -> float | None:
        """The arithmetic mean; None without marks."""
        return float(Fraction(self._sum, self.n * HUNDREDTHS)) if self.n else None

    @property
    def standard_deviation(self) -> float | None:
        """That of a sample, with n - 1; None for fewer than two marks."""
        if self.n < 2:
            return None
        squares = sum(mark * mark * count for mark, count in zip(self.marks, self.counts, strict=True))
        variance = Fraction(self.n * squares - self._sum**2, self.n * (self.n - 1) * HUNDREDTHS**2)
        return math.sqrt(variance)

    def quartile(self, number: int) -> float | None:
        """The first, second (the median) or third quartile by the linear method: R's type 7, numpy's default."""
        if not self.n:
            return None
        place, quarters = divmod((self.n - 1) * number, 4)
        lower, upper = self._at(place), self._at(min(place + 1, self.n - 1))
        return float(Fraction(4 * lower + quarters * (upper - lower), 4 * HUNDREDTHS))

    @property
    def lowest(self) -> float | None:
        """The lowest mark."""
        return self.marks[0] / HUNDREDTHS if self.n else None

    @property
    def highest(self) -> float | None:
        """The highest mark."""
        return self.marks[-1] / HUNDREDTHS if self.n else None

    def at_least(self, mark: Fraction) -> int:
        """How many have this mark or a higher one; the mark as it is, not in hundredths."""
        return self.n - self._below(math.ceil(mark * HUNDREDTHS))

    def above(self, mark: int) -> int:
        """How many have more hundredths than these."""
        return self.n - self._below(mark + 1)

    def level(self, mark: int) -> int:
        """How many have just these hundredths."""
        return self._below(mark + 1) - self._below(mark)

    def histogram(self, top: Fraction, bins: int) -> list[int]:
        """How many marks lie in each of so many equal bins from 0 to `top`. A bin holds its lower end and not its upper
        one; the last one also holds `top`, and what lies above."""
        heights = [0] * bins
        width = top * HUNDREDTHS / bins
        for mark, count in zip(self.marks, self.counts, strict=True):
            heights[min(bins - 1, mark * width.denominator // width.numerator)] += count
        return heights

    def _below(self, mark: int) -> int:
        place = bisect_left(self.marks, mark)
        return self._up_to[place - 1] if place else 0

    def _at(self, place: int) -> int:
        """The mark in a place of the list of all marks, in rising order, counted from 0."""
        return self.marks[bisect_right(self._up_to, place)]
