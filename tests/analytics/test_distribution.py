"""Figures of a distribution, compared with those that Python's `statistics` computes from the single marks."""

import math
import statistics
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.analytics.distribution import Distribution

MARKS = st.lists(st.integers(0, 10_000), max_size=60)


def of(hundredths: list[int]) -> Distribution:
    return Distribution.of(Counter(hundredths).items())


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-12)


@settings(derandomize=True)
@given(MARKS.filter(lambda marks: len(marks) >= 2))
def test_figures_equal_those_of_the_single_marks(hundredths: list[int]) -> None:
    marks = [mark / 100 for mark in hundredths]
    quartiles = statistics.quantiles([Fraction(mark, 100) for mark in hundredths], n=4, method="inclusive")

    found = of(hundredths)

    assert found.n == len(marks)
    assert found.mean == near(statistics.fmean(marks))
    assert found.standard_deviation == near(float(statistics.stdev(Fraction(mark, 100) for mark in hundredths)))
    assert [found.quartile(number) for number in (1, 2, 3)] == [float(quartile) for quartile in quartiles]
    assert (found.lowest, found.highest) == (min(marks), max(marks))


@settings(derandomize=True)
@given(MARKS, st.integers(0, 10_000))
def test_counts_above_and_at_a_mark_equal_those_of_the_single_marks(hundredths: list[int], mark: int) -> None:
    found = of(hundredths)

    assert found.above(mark) == sum(own > mark for own in hundredths)
    assert found.equal_to(mark) == sum(own == mark for own in hundredths)
    assert found.at_least(Fraction(mark, 100)) == sum(own >= mark for own in hundredths)


@settings(derandomize=True)
@given(MARKS, st.integers(1, 12_000))
def test_each_bin_counts_the_marks_between_its_limits(hundredths: list[int], top: int) -> None:
    bins = [0] * 7
    for mark in hundredths:
        bins[min(6, math.floor(Fraction(mark * 7, top)))] += 1

    assert of(hundredths).histogram(Fraction(top, 100), 7) == bins


def test_a_bin_includes_its_lower_limit_and_the_last_bin_also_its_upper_limit() -> None:
    marks = of([0, 999, 1000, 8999, 9000, 10_000])

    assert marks.histogram(Fraction(100), 10) == [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]


def test_a_distribution_without_marks_has_no_figures() -> None:
    none = of([])

    assert (none.n, none.mean, none.standard_deviation, none.quartile(2), none.lowest, none.highest) == (0, *[None] * 5)
    assert none.histogram(Fraction(100), 3) == [0, 0, 0]


def test_a_single_mark_has_no_spread() -> None:
    one = of([4000])

    assert (one.mean, one.standard_deviation) == (40.0, None)
    assert [one.quartile(number) for number in (1, 2, 3)] == [40.0, 40.0, 40.0]


def test_equal_marks_have_a_standard_deviation_of_zero() -> None:
    assert of([10] * 3 + [10] * 7).standard_deviation == 0.0


def test_the_mean_of_tenths_is_exact() -> None:
    assert of([10, 20]).mean == 0.15
    assert of([10] * 10).mean == 0.1
