"""The statistics chart: the subjects and branches that fit, with a note that names the others."""

import asyncio
from collections.abc import Iterator, Sequence

from modules.analytics import distinct_values, mark_counts, query_concurrency
from modules.analytics.chart.layout import Panel, draw
from modules.analytics.distribution import Distribution
from modules.analytics.mark_counts import EACH_BRANCH, Tally, these_branches
from modules.analytics.query import ChartQuery
from modules.students import MarkFigures, SubjectCatalog

MAX_SUBJECTS = 6
MAX_BRANCHES = 12

# Limits for subjects and branches that are not drawn: how many are named, and how many are counted.
MAX_NAMED = 8
MAX_COUNTED = 1_000


async def draw_chart(query: ChartQuery) -> str:
    """Return the chart as SVG. Raise `Unavailable` if the query queue is full."""
    known = await SubjectCatalog.read()
    async with query_concurrency.query_slot():
        subjects = known.sorted(set(map(known.name_of, query.subject))) or await distinct_values.subjects(MAX_COUNTED)
        branches = await distinct_values.largest_branches(query.branch, MAX_COUNTED)
        drawn = sorted(branches[:MAX_BRANCHES])
        grouping = EACH_BRANCH if len(drawn) == len(branches) else these_branches(drawn)
        tally = await mark_counts.tally(subjects[:MAX_SUBJECTS], query.branch, grouping)
    notes = [
        *_students(tally, branches),
        *_omitted("Subjects", subjects[MAX_SUBJECTS:]),
        *_omitted("Smaller branches", branches[MAX_BRANCHES:]),
    ]
    figures = MarkFigures(known)
    panels = [panel for panel in _panels(tally, drawn, figures) if panel.marks.n or query.subject]
    return await asyncio.to_thread(draw, panels, "Marks by subject and branch", notes)


def _panels(tally: Tally, branches: Sequence[str], figures: MarkFigures) -> Iterator[Panel]:
    for subject, counted in tally.marks.items():
        scale = figures.factor(subject)
        whole = Distribution.of((pair for marks in counted.values() for pair in marks), scale)
        parts = [(branch, Distribution.of(counted.get(branch, ()), scale)) for branch in branches]
        yield Panel(subject, whole, parts, figures.catalog.maxima.get(subject))


def _students(tally: Tally, branches: Sequence[str]) -> Iterator[str]:
    students = sum(tally.students.values())
    several = "" if len(branches) == 1 else "es"
    if not students:
        yield "There are no students to show."
    elif len(branches) < MAX_COUNTED:
        yield f"{students:,} student{'' if students == 1 else 's'} in {len(branches):,} branch{several}."
    else:
        yield f"{students:,} students in {MAX_COUNTED:,} branches or more."


def _omitted(kind: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence that names the subjects or branches that are not drawn."""
    if names:
        others = len(names) - MAX_NAMED
        more = f" and {others:,} {'other' if others == 1 else 'others'}" if others > 0 else ""
        yield f"{kind} not shown: {', '.join(names[:MAX_NAMED])}{more}."
