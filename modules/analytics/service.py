"""Statistics of subjects and branches."""

import asyncio
from fractions import Fraction
from typing import Any

from core.errors import FieldError, InvalidRequest
from modules.analytics import distinct_values, mark_counts, query_concurrency
from modules.analytics.distribution import Distribution
from modules.analytics.grading import BINS, bin_limits, highest_mark, passing_mark
from modules.analytics.mark_counts import EACH_BRANCH, Counted, Tally
from modules.analytics.query import StatisticsQuery
from modules.analytics.schemas import BranchStatistics, StatisticsRead, SubjectStatistics
from modules.students import MarkFigures, SubjectCatalog

MAX_ROWS = 2_000
"""The maximum number of rows in a response: one per subject, or with `by=branch` one per subject and branch."""


async def statistics(query: StatisticsQuery) -> StatisticsRead:
    """Return the requested statistics.

    Raise `InvalidRequest` for more than `MAX_ROWS` rows, and `Unavailable` if the query queue is full.
    """
    by_branch = query.by == "branch"
    known = await SubjectCatalog.read()
    async with query_concurrency.query_slot():
        subjects = known.sorted(set(map(known.name_of, query.subject))) or await distinct_values.subjects(MAX_ROWS)
        branches = query.branch or (await distinct_values.branches(MAX_ROWS) if by_branch else [])
        _check_size(len(subjects), len(set(branches)) if by_branch else 0)
        tally = await mark_counts.tally(subjects, query.branch, EACH_BRANCH if by_branch else None)
    figures = MarkFigures(known)
    # Long computations would block the event loop.
    return await asyncio.to_thread(_read, tally, query, figures)


def _check_size(subjects: int, branches: int) -> None:
    if subjects * max(branches, 1) > MAX_ROWS:
        detail = f"The response would exceed {MAX_ROWS:,} rows. Select some subjects"
        detail += " or some branches." if branches else "."
        raise InvalidRequest(
            errors=[FieldError(code="too_large", detail=detail, parameter="by" if branches else "subject")]
        )


def _read(tally: Tally, query: StatisticsQuery, figures: MarkFigures) -> StatisticsRead:
    return StatisticsRead(
        students=sum(tally.students.values()),
        pass_mark=float(passing_mark(query.pass_mark)),
        bins=bin_limits(),
        subjects=[
            _subject(name, marks, tally, query, figures)
            for name, marks in tally.marks.items()
            if marks or query.subject
        ],
    )


def _subject(
    name: str, marks: dict[str | None, Counted], tally: Tally, query: StatisticsQuery, figures: MarkFigures
) -> SubjectStatistics:
    scale, passing = figures.factor(name), passing_mark(query.pass_mark)
    whole = Distribution.of((pair for counted in marks.values() for pair in counted), scale)
    found = _figures(whole, sum(tally.students.values()), passing)
    if figures.catalog.maxima:
        found["out_of"] = figures.highest_mark(name)
    if query.by is None:
        return SubjectStatistics(subject=name, **found)
    parts = {branch: Distribution.of(marks.get(branch, ()), scale) for branch in tally.students}
    branches = [
        BranchStatistics(branch=branch or "", **_figures(parts[branch], students, passing))
        for branch, students in sorted(tally.students.items(), key=_by_name)
    ]
    return SubjectStatistics(subject=name, **found, branches=branches)


def _by_name(item: tuple[str | None, int]) -> str:
    return item[0] or ""


def _figures(marks: Distribution, students: int, passing: Fraction) -> dict[str, Any]:
    passed = marks.at_least(passing)
    return {
        "n": marks.n,
        "missing": students - marks.n,
        "mean": marks.mean,
        "standard_deviation": marks.standard_deviation,
        "min": marks.lowest,
        "q1": marks.quartile(1),
        "median": marks.quartile(2),
        "q3": marks.quartile(3),
        "max": marks.highest,
        "passed": passed,
        "pass_rate": passed / marks.n if marks.n else None,
        "histogram": marks.histogram(highest_mark(), BINS),
    }
