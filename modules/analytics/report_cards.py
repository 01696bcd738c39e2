"""Report cards: a student's marks, each with rank and percentile among all students, and in the branch on request."""

import asyncio
from fractions import Fraction
from typing import Any

from core.errors import FieldError, InvalidRequest
from modules.analytics import mark_counts, query_concurrency, rank_counts
from modules.analytics.distribution import HUNDREDTHS, Distribution
from modules.analytics.grading import exact, grade_of, highest_mark
from modules.analytics.mark_counts import Tally, these_branches
from modules.analytics.rank_counts import RankCounts
from modules.analytics.ranking_measure import BY_AVERAGE, BY_TOTAL, Measure
from modules.analytics.schemas import (
    AverageReport,
    BranchStanding,
    OverallReport,
    ReportCard,
    SubjectBranchStanding,
    SubjectReport,
)
from modules.analytics.standing import standing
from modules.students import MarkFigures, StudentReader, StudentSnapshot, SubjectCatalog


async def get(roll_no: str, branch: str | None = None) -> ReportCard:
    """Return the report card of a student; with `branch`, which must be the student's, also the places in the branch.

    Raise `StudentNotFound`, `InvalidRequest` for another branch, or `Unavailable` if the query queue is full.
    """
    student = await StudentReader.get(roll_no)
    known = await SubjectCatalog.read()
    student.marks = known.respelled(student.marks)
    if branch not in (None, student.branch):
        detail = f"The student is in the branch {student.branch}. Compare within it, or leave this out."
        raise InvalidRequest(errors=[FieldError(code="other_branch", detail=detail, parameter="branch")])
    figures = MarkFigures(known)
    async with query_concurrency.query_slot():
        grouping = None if branch is None else these_branches([branch])
        tally = await mark_counts.tally(sorted(student.marks), (), grouping) if student.marks else Tally({}, {})
        total = await _overall(BY_TOTAL, student, tally, branch, figures)
        average = await _overall(BY_AVERAGE, student, tally, branch, figures)
    # Compared with the thresholds as it is, and not as the rounded float that is displayed.
    grade = grade_of(figures.average(student.marks) or Fraction(0))
    return ReportCard(
        roll_no=student.roll_no,
        name=student.name,
        branch=student.branch,
        subjects=await asyncio.to_thread(_subjects, student, tally, branch, figures),
        total=OverallReport.model_validate(total) if total else None,
        average=AverageReport.model_validate(average | {"grade": grade}) if average else None,
    )


async def _overall(
    measure: Measure, student: StudentSnapshot, tally: Tally, branch: str | None, figures: MarkFigures
) -> dict[str, Any] | None:
    total, average = figures.stored(student.marks)
    value, stored = (total, student.keys.total) if measure.is_total else (average, student.keys.average)
    if value is None:
        return None
    # Compared with the stored values of others, which a job computes anew after a change of what they are made from.
    ranked = value if stored is None else stored
    counted = await rank_counts.count_all(measure, ranked, ranked)
    found = {"value": measure.shown(value), **_standing(counted, sum(tally.students.values()))}
    if not figures.is_plain:
        found["out_of"] = measure.maximum({"marks": student.marks}, figures)
        found["subjects"] = figures.catalog.sorted(figures.counted(student.marks))
    if branch is not None:
        counted = await rank_counts.count_in_branches([branch], measure, ranked, ranked)
        found["in_branch"] = BranchStanding(**_standing(counted, tally.students.get(branch, 0)))
    return found


def _standing(counted: RankCounts, students: int) -> dict[str, Any]:
    return standing(counted.higher, counted.equal_first, students - counted.unranked)


def _subjects(student: StudentSnapshot, tally: Tally, branch: str | None, figures: MarkFigures) -> list[SubjectReport]:
    names = figures.catalog.sorted(student.marks)
    return [_subject(name, student.marks[name], tally, branch, figures) for name in names]


def _subject(name: str, mark: float, tally: Tally, branch: str | None, figures: MarkFigures) -> SubjectReport:
    by_branch = tally.marks[name]
    scaled = exact(mark) * figures.factor(name)
    told: dict[str, Any] = {}
    if figures.catalog.maxima:
        told = {"out_of": figures.highest_mark(name), "percent": float(100 * scaled / highest_mark())}
    if not figures.catalog.counts(name):
        told["counts_in_total"] = False
    if branch is not None:
        told["in_branch"] = SubjectBranchStanding(**_among(mark, Distribution.of(by_branch.get(branch, ()))))
    everybody = Distribution.of(pair for counted in by_branch.values() for pair in counted)
    return SubjectReport(subject=name, mark=mark, grade=grade_of(scaled), **_among(mark, everybody), **told)


def _among(mark: float, marks: Distribution) -> dict[str, Any]:
    """Return the place of a mark among others, and their mean."""
    hundredths = round(mark * HUNDREDTHS)
    place = standing(marks.above(hundredths), marks.equal_to(hundredths), marks.n)
    return {**place, "class_mean": mark if marks.mean is None else marks.mean}
