"""Report cards: a student's marks, each with rank and percentile among all students."""

import asyncio
from fractions import Fraction
from typing import Any

from modules.analytics import mark_counts, query_concurrency, rank_counts
from modules.analytics.distribution import HUNDREDTHS, Distribution
from modules.analytics.grading import exact, grade_of
from modules.analytics.mark_counts import Tally
from modules.analytics.ranking_measure import BY_AVERAGE, BY_TOTAL, Measure
from modules.analytics.schemas import AverageReport, OverallReport, ReportCard, SubjectReport
from modules.students import StudentReader, StudentSnapshot


async def get(roll_no: str) -> ReportCard:
    """Return the report card of a student. Raise `StudentNotFound`, or `Unavailable` if the query queue is full."""
    student = await StudentReader.get(roll_no)
    async with query_concurrency.query_slot():
        tally = await mark_counts.tally(sorted(student.marks), ()) if student.marks else Tally({}, {})
        total = await _overall(BY_TOTAL, student.keys.total, tally)
        average = await _overall(BY_AVERAGE, student.keys.average, tally)
    grade = grade_of(_average(student)) if student.marks else ""
    return ReportCard(
        roll_no=student.roll_no,
        name=student.name,
        branch=student.branch,
        subjects=await asyncio.to_thread(_subjects, student, tally),
        total=OverallReport.model_validate(total) if total else None,
        average=AverageReport.model_validate(average | {"grade": grade}) if average else None,
    )


def _average(student: StudentSnapshot) -> Fraction:
    """Return the exact average: a rounded float could miss a grade's threshold."""
    return Fraction(student.keys.total or 0, HUNDREDTHS * len(student.marks))


async def _overall(measure: Measure, value: float | None, tally: Tally) -> dict[str, Any] | None:
    if value is None:
        return None
    counted = await rank_counts.count_all(measure, value, value)
    ranked = sum(tally.students.values()) - counted.unranked
    return {"value": measure.shown(value), **_standing(counted.higher, counted.equal_first, ranked)}


def _subjects(student: StudentSnapshot, tally: Tally) -> list[SubjectReport]:
    return [_subject(name, student.marks[name], tally) for name in sorted(student.marks)]


def _subject(name: str, mark: float, tally: Tally) -> SubjectReport:
    marks = Distribution.of(pair for counted in tally.marks[name].values() for pair in counted)
    hundredths = round(mark * HUNDREDTHS)
    return SubjectReport(
        subject=name,
        mark=mark,
        grade=grade_of(exact(mark)),
        class_mean=mark if marks.mean is None else marks.mean,
        **_standing(marks.above(hundredths), marks.equal_to(hundredths), marks.n),
    )


def _standing(higher: int, equal: int, of: int) -> dict[str, Any]:
    """Return the rank and the percentile rank: the percentage of ranked students who are lower, plus half of those who
    are equal. The student always counts, even if a concurrent change or deletion has removed the value."""
    equal, of = max(equal, 1), max(of, higher + max(equal, 1))
    lower = of - higher - equal
    return {"rank": higher + 1, "of": of, "percentile": float(Fraction(100 * (2 * lower + equal), 2 * of))}
