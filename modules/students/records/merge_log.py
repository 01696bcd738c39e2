"""The log of the students whom a merge of subjects changes, so that it can be undone and lists their conflicts."""

from collections.abc import Iterable, Sequence

from bson import ObjectId

from core.database import collection, insert_ignoring_duplicates, stored_form
from modules.students.models import StudentSnapshot
from modules.students.subject_catalog.catalog import Move
from modules.students.subject_catalog.models import MergedStudent

Versions = tuple[StudentSnapshot, StudentSnapshot]
"""The current version of a student and the one that replaces it."""


async def log_merged(replacements: Sequence[Versions], moves: Iterable[Move]) -> None:
    """Log the students whose marks are merged into another subject in these versions, before they are written: in those
    of the merge's own job, and in those of users meanwhile. An entry of an attempt that was not made is replaced."""
    for move in moves:
        if move.is_merge:
            await _log(move, [_entry(move, *one) for one in replacements if _merges(move, *one)])


def _merges(move: Move, current: StudentSnapshot, successor: StudentSnapshot) -> bool:
    return move.earlier in current.marks and move.earlier not in successor.marks


async def _log(move: Move, entries: Sequence[MergedStudent]) -> None:
    if entries:
        students = [entry.student for entry in entries]
        await collection(MergedStudent).delete_many({"operation": move.operation, "student": {"$in": students}})
        # Of two writes of one student at the same moment, only one is made: the entries differ in the mark at most.
        await insert_ignoring_duplicates(MergedStudent, [stored_form(entry) for entry in entries])


def _entry(move: Move, current: StudentSnapshot, successor: StudentSnapshot) -> MergedStudent:
    into = current.marks.get(move.name)
    return MergedStudent(
        operation=move.operation,
        student=ObjectId(successor.id),
        after=successor.version,
        into=into,
        from_mark=None if into is None else current.marks[move.earlier],
        kept=None if into is None else successor.marks.get(move.name),
    )
