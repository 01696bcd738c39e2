"""Batched writes of students that keep the earlier versions: a batch takes at most three commands.

A new student is inserted. To replace a student, the current version is copied to the history first; then the next
version replaces it, provided that it still is the current one. A process that dies between the two leaves only a
superfluous copy of a version that is still the current one. This is harmless: the history is read only up to the
version before the current one, and the next write finds the copy already made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bson import ObjectId

from core.database import Batcher, bulk_update, collection, insert_ignoring_duplicates
from modules.students.figures import MarkFigures
from modules.students.models import StudentDocument, StudentSnapshot, StudentVersion
from modules.students.subjects.catalog import SubjectCatalog


@dataclass(frozen=True, slots=True)
class Write:
    """A student's current version, or None for a new student, and the version that replaces it."""

    current: StudentSnapshot | None
    successor: StudentSnapshot


class Outcome(Enum):
    """The outcome of a write.

    MADE        it was made
    CONFLICT    a concurrent write was faster: another version is the current one
    TAKEN       another student has the roll number
    """

    MADE = auto()
    CONFLICT = auto()
    TAKEN = auto()


async def write_all(writes: Sequence[Write]) -> list[Outcome]:
    """Write all of these, and return the outcome of each. A write that is not `MADE` has changed nothing.

    Totals and averages are computed here, by the maxima of the subjects as this process knows them.
    """
    figures = MarkFigures(await SubjectCatalog.read())
    if not figures.is_plain:
        for one in writes:
            one.successor.keys.compute_figures(one.successor.marks, figures)
    new = [one for one in writes if one.current is None]
    further = [one for one in writes if one.current is not None]
    outcomes = await _create(new) | await _replace(further)
    return [outcomes[one.successor.stamp] for one in writes]


write: Batcher[Write, Outcome] = Batcher(write_all)
"""Write one student and return the outcome. Concurrent calls share the commands of one batch."""

_Outcomes = dict[ObjectId | None, Outcome]
"""Outcomes of writes, by their stamps."""


async def _create(writes: Sequence[Write]) -> _Outcomes:
    if not writes:
        return {}
    taken = await insert_ignoring_duplicates(
        StudentDocument, [{"_id": one.successor.id, **one.successor.stored()} for one in writes]
    )
    return {one.successor.stamp: Outcome.TAKEN if index in taken else Outcome.MADE for index, one in enumerate(writes)}


async def _replace(writes: Sequence[Write]) -> _Outcomes:
    if not writes:
        return {}
    await _copy_to_history([one.current for one in writes if one.current])
    updates = [
        ({"_id": one.successor.id, "version": one.successor.version - 1}, {"$set": one.successor.stored()})
        for one in writes
    ]
    matched, taken = await bulk_update(StudentDocument, updates)
    outcomes: _Outcomes = {one.successor.stamp: Outcome.MADE for one in writes}
    if matched < len(writes):
        outcomes |= dict.fromkeys(outcomes.keys() - await _made(writes), Outcome.CONFLICT)
        outcomes |= {writes[index].successor.stamp: Outcome.TAKEN for index in taken}
    return outcomes


async def _copy_to_history(students: Sequence[StudentSnapshot]) -> None:
    # A duplicate was copied by a faster or an interrupted write, and is identical: a version never changes.
    await insert_ignoring_duplicates(
        StudentVersion, [{"student": student.id, **student.record()} for student in students]
    )


async def _made(writes: Sequence[Write]) -> set[ObjectId | None]:
    """Return the stamps of the replacements that were made: those found in the current versions or in the history."""
    ids = [one.successor.id for one in writes]
    query = {"_id": {"$in": ids}, "erasing": None}
    current = await collection(StudentDocument).find(query, {"stamp": 1}).to_list(None)
    gone = set(ids) - {row["_id"] for row in current}
    if gone:  # erased meanwhile, possibly before the copies were made, which would then remain
        await StudentVersion.find({"student": {"$in": list(gone)}}).delete()
    clauses = [{"student": one.successor.id, "version": one.successor.version} for one in writes]
    past = await collection(StudentVersion).find({"$or": clauses}, {"stamp": 1}).to_list(None)
    return {row.get("stamp") for row in [*current, *past]}
