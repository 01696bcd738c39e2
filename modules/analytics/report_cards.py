"""Report cards: a student's marks, and where each one stands among those of all students."""

import asyncio
from fractions import Fraction
from typing import Any

from modules import students
from modules.analytics import mark_counts, query_concurrency, rank_counts
from modules.analytics.distribution import HUNDREDTHS, Distribution
from modules.analytics.grading import exact, grade_of
from modules.analytics.mark_counts import Tally
from modules.analytics.ranking_measure import BY_AVERAGE, BY_TOTAL, Measure
from modules.analytics.schemas import AverageReport, OverallReport, ReportCard, SubjectReport
from modules.students import StudentSnapshot


async def get(roll_no: str) -> ReportCard:
    """The report card of a student; raises `StudentNotFound`, and `Unavailable` when too many ask at once."""
    student = await students.get(roll_no)
    async with query_concurrency.turn():
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
    """The average as it is: a float might miss a threshold that it should reach."""
    return Fraction(student.keys.total or 0, HUNDREDTHS * len(student.marks))


async def _overall(measure: Measure, value: float | None, tally: Tally) -> dict[str, Any] | None:
    if value is None:
        return None
    counted = await rank_counts.among_all(measure, value, value)
    ranked = sum(tally.students.values()) - counted.unranked
    return {"value": measure.shown(value), **_standing(counted.better, counted.first, ranked)}


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
        **_standing(marks.above(hundredths), marks.level(hundredths), marks.n),
    )


def _standing(better: int, level: int, of: int) -> dict[str, Any]:
    """A rank, and the percentile rank: of all who are ranked, the lower ones and half of those who are level. The
    student counts also where they were changed or deleted a moment ago."""
    level, of = max(level, 1), max(of, better + max(level, 1))
    lower = of - better - level
    return {"rank": better + 1, "of": of, "percentile": float(Fraction(100 * (2 * lower + level), 2 * of))}
