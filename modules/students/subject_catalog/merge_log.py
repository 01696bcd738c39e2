"""The log of the students whom a merge of subjects changes, so that it can be undone and lists their conflicts."""

from collections.abc import Iterable, Iterator, Sequence

from bson import ObjectId

from core.database import collection
from modules.students.models import StudentSnapshot
from modules.students.subject_catalog.catalog import Move
from modules.students.subject_catalog.models import MergedStudent

Versions = tuple[StudentSnapshot, StudentSnapshot]
"""The current version of a student and the one that replaces it."""


async def log_merged(replacements: Iterable[Versions], moves: Iterable[Move]) -> None:
    """Log the students whose marks are merged into another subject in these versions, before they are written: in those
    of the merge's own job, and in those of users meanwhile. An entry of an attempt that was not made is replaced."""
    merges = [move for move in moves if move.is_merge]
    entries = list(_entries(replacements, merges)) if merges else []
    if not entries:
        return
    students, operations = {entry.student for entry in entries}, {entry.operation for entry in entries}
    earlier = {"student": {"$in": list(students)}, "operation": {"$in": list(operations)}}
    await collection(MergedStudent).delete_many(earlier)
    await MergedStudent.insert_many(entries)


def _entries(replacements: Iterable[Versions], merges: Sequence[Move]) -> Iterator[MergedStudent]:
    for current, successor in replacements:
        for move in merges:
            if move.earlier in current.marks and move.earlier not in successor.marks:
                yield _entry(move, current, successor)


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
