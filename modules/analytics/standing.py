"""The place of a student among others: rank and percentile rank."""

from fractions import Fraction
from typing import Any


def rank_after(higher: int) -> int:
    """Return the rank of a student when `higher` students have a higher value.

    Students with equal values share a rank, and the next ranks are skipped: 1, 2, 2, 4. This is standard competition
    ranking: `RANK()` in SQL, and method "min" of `scipy.stats.rankdata`.
    """
    return higher + 1


def percentile_rank(lower: int, equal: int, of: int) -> float:
    """Return the percentage of `of` students who are lower, plus half of those who are equal, the student included.

    This is the percentile rank of educational testing (Crocker and Algina, Introduction to Classical and Modern Test
    Theory, 1986), and kind "mean" of `scipy.stats.percentileofscore`. A single student is at 50.
    """
    return float(Fraction(100 * (2 * lower + equal), 2 * of))


def standing(higher: int, equal: int, of: int) -> dict[str, Any]:
    """Return the rank and the percentile rank of a student among the `of` students with a value.

    The student always counts, even if a concurrent change or deletion has removed the value.
    """
    equal, of = max(equal, 1), max(of, higher + max(equal, 1))
    return {"rank": rank_after(higher), "of": of, "percentile": percentile_rank(of - higher - equal, equal, of)}
