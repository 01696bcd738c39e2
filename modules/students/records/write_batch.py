"""How students are written without losing what they were: many at once, in three commands at the most.

A new student is inserted. One who is replaced is copied to the history first, and then its successor put in its place,
provided that it still is the current version. A process that dies between the two leaves at most a copy too many, of a
version that is the current one still: the history is read only up to the version before the current one, and the next
write finds its copy made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bson import ObjectId

from core.database import Batcher, bulk_update, insert_ignoring_duplicates
from modules.students.models import StudentDocument, StudentSnapshot, StudentVersion


@dataclass(frozen=True, slots=True)
class Write:
    """A student's current record, or None where there is none, and what is to take its place."""

    current: StudentSnapshot | None
    successor: StudentSnapshot


class Outcome(Enum):
    """What became of a write: it was made; somebody else was faster and the current record is another one; or the roll
    number is another student's."""

    MADE = auto()
    OUTRUN = auto()
    TAKEN = auto()


async def write_all(writes: Sequence[Write]) -> list[Outcome]:
    """Store all of these; answers what became of each. What was not made has changed nothing."""
    new = [one for one in writes if one.current is None]
    further = [one for one in writes if one.current is not None]
    outcomes = await _create(new) | await _replace(further)
    return [outcomes[one.successor.stamp] for one in writes]


write: Batcher[Write, Outcome] = Batcher(write_all)
"""Store one student, together with others who are written at the same moment; answers what became of it."""

_Outcomes = dict[ObjectId | None, Outcome]
"""What became of writes, by their stamps."""


async def _create(writes: Sequence[Write]) -> _Outcomes:
    if not writes:
        return {}
    taken = await insert_ignoring_duplicates(
        StudentDocument, [{"_id": one.successor.id, **one.successor.stored()} for one in writes]
    )
    return {one.successor.stamp: Outcome.TAKEN if place in taken else Outcome.MADE for place, one in enumerate(writes)}


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
        outcomes |= dict.fromkeys(outcomes.keys() - await _made(writes), Outcome.OUTRUN)
        outcomes |= {writes[place].successor.stamp: Outcome.TAKEN for place in taken}
    return outcomes


async def _copy_to_history(students: Sequence[StudentSnapshot]) -> None:
    # Those that are refused were copied by a writer who came first, or who died: a version never changes.
    await insert_ignoring_duplicates(
        StudentVersion, [{"student": student.id, **student.record()} for student in students]
    )


async def _made(writes: Sequence[Write]) -> set[ObjectId | None]:
    """The stamps of those of these replacements that were made: they are the current version, or in the history."""
    ids = [one.successor.id for one in writes]
    query = {"_id": {"$in": ids}, "erasing": None}
    current = await StudentDocument.get_motor_collection().find(query, {"stamp": 1}).to_list(None)
    gone = set(ids) - {row["_id"] for row in current}
    if gone:  # erased meanwhile, perhaps before the copies were made
        await StudentVersion.find({"student": {"$in": list(gone)}}).delete()
    clauses = [{"student": one.successor.id, "version": one.successor.version} for one in writes]
    past = await StudentVersion.get_motor_collection().find({"$or": clauses}, {"stamp": 1}).to_list(None)
    return {row.get("stamp") for row in [*current, *past]}
