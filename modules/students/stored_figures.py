"""Totals and averages are stored with each student, so that rankings are read from an index. This job computes them
again when a subject's maximum changes, or whether it counts in the total.

A process that writes a student may not know of the change yet (see `SubjectCatalog`), and so store the old figures. The
students are therefore gone through twice: at once, and when all processes know of it. The figures are no part of a
student's versions: neither the history nor the feed of changes shows the job's work.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from beanie import Document
from pydantic import Field

from core.clock import utc_now
from core.database import Lease, bulk_update, read_majority
from modules.students.figures import MarkFigures
from modules.students.models import StudentDocument
from modules.students.subject_catalog.catalog import SubjectCatalog

PROPAGATION_TIME = timedelta(seconds=15)
"""After this time, every process knows of a change. A write that takes longer may store the old figures."""

_BATCH = 500

_CURRENT = "current"


class FigureBasis(Document):
    """What the stored figures depend on, as the job has seen it last.

    weights  how each subject with a weight other than `1 counted` is part of the figures
    pending  the subjects with other weights since the last complete run
    since    when the job saw these weights first
    """

    id: str = _CURRENT  # type: ignore[assignment]  # one document instead of an ObjectId
    weights: dict[str, str] = {}
    pending: list[str] = []
    since: datetime = Field(default_factory=utc_now)

    class Settings:
        """Collection name. Without further indexes: the document is read by `_id`."""

        name = "student_figures"

    @property
    def has_propagated(self) -> bool:
        """Whether every process knows of these weights."""
        return utc_now() - self.since >= PROPAGATION_TIME


async def update_figures() -> None:
    """Compute the figures of the students with marks in a subject whose weight has changed, in one process at a time.

    Without such a subject, this only reads two small collections.
    """
    basis, changed = await _changes()
    if not changed and not (basis.pending and basis.has_propagated):
        return
    await Lease.run_exclusively("students/figures", _update)


async def _changes() -> tuple[FigureBasis, set[str]]:
    """Return the stored basis, and the subjects that have other weights now."""
    basis = await FigureBasis.get(_CURRENT) or FigureBasis()
    weights = _weights(MarkFigures(await SubjectCatalog.read()))
    changed = {name for name in weights | basis.weights if weights.get(name) != basis.weights.get(name)}
    basis.weights = weights
    return basis, changed


async def _update() -> None:
    basis, changed = await _changes()  # again: another process may have done it meanwhile
    if changed:
        basis.since, basis.pending = utc_now(), sorted(changed.union(basis.pending))
        await basis.save()  # before the figures: a run that fails midway is repeated
    for subject in basis.pending:
        await _recompute(subject)
    if not changed and basis.has_propagated:
        basis.pending = []
        await basis.save()


def _weights(figures: MarkFigures) -> dict[str, str]:
    """Return the weight of each subject that has not the usual one: its factor, and whether it counts."""
    catalog = figures.catalog
    weights = {
        name: f"{figures.factor(name)} {'counted' if catalog.counts(name) else 'not counted'}"
        for name in {*catalog.maxima, *catalog.uncounted}
    }
    return {name: weight for name, weight in weights.items() if weight != "1 counted"}


async def _recompute(subject: str) -> None:
    """Store the figures of all students with a mark in a subject.

    A student who is changed meanwhile is left out: that write stores the figures, too.
    """
    fields = ("marks", "version", "keys.total", "keys.average")
    found = read_majority(StudentDocument).find({f"marks.{subject}": {"$gte": 0}, "keys.live": True}, fields)
    while batch := await found.to_list(_BATCH):
        figures = MarkFigures(await SubjectCatalog.read())
        if updates := _updates(batch, figures):
            await bulk_update(StudentDocument, updates)


def _updates(students: Sequence[dict[str, Any]], figures: MarkFigures) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the update for each student whose stored figures differ."""
    updates = []
    for student in students:
        total, average = figures.stored(student["marks"])
        if (total, average) != (student["keys"]["total"], student["keys"]["average"]):
            made = {"$set": {"keys.total": total, "keys.average": average}}
            updates.append(({"_id": student["_id"], "version": student["version"]}, made))
    return updates
