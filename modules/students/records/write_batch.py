"""Batched writes of students that keep the earlier versions: a batch takes at most three commands.

A new student is inserted. If a deleted one has the roll number, that record gives it up first, as for a student who is
renamed or restored. This takes three more commands; a process that dies before the insert leaves a number that nobody
has.

To replace a student, the current version is copied to the history first; then the next version replaces it, provided
that it still is the current one. A process that dies between the two leaves only a superfluous copy of a version that
is still the current one. This is harmless: the history is read only up to the version before the current one, and the
next write finds the copy already made.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum, auto

from bson import ObjectId

from core.database import Batcher, bulk_update, collection, insert_ignoring_duplicates
from modules.students.figures import MarkFigures
from modules.students.models import FormerNumber, StudentDocument, StudentSnapshot, StudentVersion
from modules.students.records.merge_log import log_merged
from modules.students.subject_catalog.mark_matching import register
from modules.students.subject_catalog.models import MergedStudent


@dataclass(frozen=True, slots=True)
class Write:
    """A student's current version, or None for a new student, and the version that replaces it."""

    current: StudentSnapshot | None
    successor: StudentSnapshot


class Outcome(Enum):
    """The outcome of a write.

    MADE        it was made
    CONFLICT    a concurrent write was faster: another version is the current one, or a subject has another name now
    TAKEN       another student has the roll number, who is not deleted, or is being erased or merged
    """

    MADE = auto()
    CONFLICT = auto()
    TAKEN = auto()


async def write_all(writes: Sequence[Write]) -> list[Outcome]:
    """Write all of these, and return the outcome of each. A write that is not `MADE` has changed nothing.

    The students of a running merge of subjects are logged, new subjects are stored, and a new mark under a name that
    its subject no longer has is a `CONFLICT`. Totals and averages are computed here, by the maxima of the subjects as
    this process knows them.
    """
    known = await register({subject for one in writes for subject in _new_subjects(one)})
    figures = MarkFigures(known)
    if not figures.is_plain:
        for one in writes:
            one.successor.keys.compute_figures(one.successor.marks, figures)
    current = [one for one in writes if known.names.issuperset(_new_subjects(one))]
    if known.moving:
        await log_merged([(one.current, one.successor) for one in current if one.current], known.moving.values())
    outcomes: _Outcomes = {one.successor.stamp: Outcome.CONFLICT for one in writes}
    outcomes |= await _create([one for one in current if one.current is None])
    outcomes |= await _replace([one for one in current if one.current is not None])
    return [outcomes[one.successor.stamp] for one in writes]


def _new_subjects(one: Write) -> Set[str]:
    return one.successor.marks.keys() - (one.current.marks.keys() if one.current else set())


write: Batcher[Write, Outcome] = Batcher(write_all)
"""Write one student and return the outcome. Concurrent calls share the commands of one batch."""

_Outcomes = dict[ObjectId | None, Outcome]
"""Outcomes of writes, by their stamps."""


async def _create(writes: Sequence[Write]) -> _Outcomes:
    if not writes:
        return {}
    refused = await _insert(writes)
    if refused and await give_up_numbers([one.successor.roll_no for one in refused]):
        refused = await _insert(refused)
    made: _Outcomes = {one.successor.stamp: Outcome.MADE for one in writes}
    return made | {one.successor.stamp: Outcome.TAKEN for one in refused}


async def _insert(writes: Sequence[Write]) -> list[Write]:
    """Insert new students, and return the writes whose roll number is taken."""
    rows = [{"_id": one.successor.id, **one.successor.stored()} for one in writes]
    taken = await insert_ignoring_duplicates(StudentDocument, rows)
    return [one for index, one in enumerate(writes) if index in taken]


async def give_up_numbers(roll_nos: Sequence[str]) -> bool:
    """Let deleted students give up these roll numbers; return whether any did. They keep their records and histories,
    which `former` tells from those of the students who get the numbers."""
    free = {"former": None, "erasing": None, "merge.pending.at": {"$exists": False}}
    wanted = {"roll_no": {"$in": roll_nos}, "keys.live": False, **free}
    found = await collection(StudentDocument).find(wanted, {"version": 1}).to_list(None)
    updates = [({**free, **one}, {"$set": {"former": one["_id"]}}) for one in found]  # `one` has `_id` and `version`
    return bool(updates) and (await bulk_update(StudentDocument, updates))[0] > 0


async def _replace(writes: Sequence[Write]) -> _Outcomes:
    if not writes:
        return {}
    await _copy_to_history([one.current for one in writes if one.current])
    await _leave_numbers([one for one in writes if one.current and one.current.roll_no != one.successor.roll_no])
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


async def _leave_numbers(renames: Sequence[Write]) -> None:
    """Store who had these roll numbers, before the students get others: a failed rename leaves an entry for a number
    that its student still has, which is not read."""
    for one in renames:
        assert one.current
        entry = {"_id": one.current.roll_no, "student": one.successor.id}
        await collection(FormerNumber).replace_one({"_id": one.current.roll_no}, entry, upsert=True)


async def _made(writes: Sequence[Write]) -> set[ObjectId | None]:
    """Return the stamps of the replacements that were made: those found in the current versions or in the history."""
    ids = [one.successor.id for one in writes]
    query = {"_id": {"$in": ids}, "erasing": None}
    current = await collection(StudentDocument).find(query, {"stamp": 1}).to_list(None)
    gone = set(ids) - {row["_id"] for row in current}
    if gone:  # erased meanwhile, possibly before the copies were made, which would then remain
        for document in (StudentVersion, FormerNumber, MergedStudent):
            await collection(document).delete_many({"student": {"$in": list(gone)}})
    clauses = [{"student": one.successor.id, "version": one.successor.version} for one in writes]
    past = await collection(StudentVersion).find({"$or": clauses}, {"stamp": 1}).to_list(None)
    return {row.get("stamp") for row in [*current, *past]}
