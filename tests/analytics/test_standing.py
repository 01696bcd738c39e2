"""Ranks, percentile ranks and grades, in cases that can be checked by hand."""

from fractions import Fraction

import pytest

from modules.analytics.grading import grade_of
from modules.analytics.standing import standing

Row = tuple[int, float]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([70], [(1, 50)]),
        ([70, 70], [(1, 50), (1, 50)]),
        ([80, 60], [(1, 75), (2, 25)]),
        ([90, 80, 80, 70], [(1, 87.5), (2, 50), (2, 50), (4, 12.5)]),
        ([10, 10, 10, 0], [(1, 62.5), (1, 62.5), (1, 62.5), (4, 12.5)]),
        ([4, 3, 2, 1], [(1, 87.5), (2, 62.5), (3, 37.5), (4, 12.5)]),
    ],
)
def test_a_mark_has_a_rank_and_a_percentile_among_all(marks: list[int], expected: list[Row]) -> None:
    found = [
        standing(sum(other > mark for other in marks), sum(other == mark for other in marks), len(marks))
        for mark in marks
    ]

    assert [(one["rank"], one["percentile"]) for one in found] == expected
    assert sum(percentile for _, percentile in expected) == 50 * len(marks)  # the average student is at 50


def test_a_student_who_was_removed_meanwhile_still_has_a_place() -> None:
    assert standing(3, 0, 3) == {"rank": 4, "of": 4, "percentile": 12.5}


@pytest.mark.parametrize(
    ("mark", "grade"),
    [
        (Fraction(100), "A"),
        (Fraction(80), "A"),
        (Fraction(80) - Fraction(1, 10**30), "B"),  # as a float, this is 80
        (Fraction("79.995"), "B"),
        (Fraction(70), "B"),
        (Fraction(200, 3), "C"),  # two thirds
        (Fraction(40), "E"),
        (Fraction("39.99"), "F"),
        (Fraction(0), "F"),
    ],
)
def test_nothing_is_rounded_up_to_a_grade(mark: Fraction, grade: str) -> None:
    assert grade_of(mark) == grade
