"""The subjects as this process knows them, so that no request needs a query to understand a subject.

What is known is read again before it is used if it is older than `MAX_AGE_SECONDS`. So a process understands a subject
as another process has changed it at most that much later.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Any, Self

from bson import ObjectId

from core.clock import utc_now
from core.database import Batcher, collection
from modules.students.settings import MarkSettings
from modules.students.subject_catalog.models import (
    UNORDERED,
    ConflictRule,
    OperationKind,
    Subject,
    SubjectOperation,
)
from modules.students.subject_catalog.spelling import exact_key, spelling_key

MAX_AGE_SECONDS = 1.0

LATE_WRITES_FOR = timedelta(minutes=5)
"""For this long after an operation has ended, writes that began before it may still arrive."""

Mark = int | float

_FIELDS = ("name", "max", "order", "counts_in_total", "spellings", "declared", "merged")


@dataclass(frozen=True, slots=True)
class Move:
    """An operation that moves the marks in a subject from an earlier name to another one, and that is running or ended
    less than `LATE_WRITES_FOR` ago."""

    operation: ObjectId
    earlier: str
    name: str
    is_merge: bool

    @classmethod
    def of(cls, operation: SubjectOperation) -> Self:
        """Return the move of a stored operation. The undo of a renaming goes the other way."""
        names = operation.subject, operation.target
        earlier, name = reversed(names) if operation.is_undo else names
        return cls(ObjectId(operation.id), earlier, name, operation.kind is OperationKind.MERGE)


@dataclass(frozen=True, slots=True)
class SubjectCatalog:
    """All subjects that are stored.

    names       of all subjects, as stored
    maxima      the highest mark by name, of the subjects that have one of their own: see `max_of`
    order       the place by name, of the subjects that have one: see `sorted`
    uncounted   the names of those that are no part of a total: see `counts`
    declared    the names of those that somebody has described
    by_key      the name of the subject of each key
    highest_max the highest maximum that a subject has of its own
    merged      the rules for marks in both of two merged subjects, by the name that was merged
    moving      by each earlier name under which students may still have marks: what moves them
    read_at     when reading began, on the clock of `time.monotonic`
    """

    names: frozenset[str] = frozenset()
    maxima: Mapping[str, float] = field(default_factory=dict)
    order: Mapping[str, int] = field(default_factory=dict)
    uncounted: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    by_key: Mapping[str, str] = field(default_factory=dict)
    highest_max: float = 0
    merged: Mapping[str, ConflictRule] = field(default_factory=dict)
    moving: Mapping[str, "Move"] = field(default_factory=dict)
    read_at: float = float("-inf")

    @classmethod
    async def read(cls) -> "SubjectCatalog":
        """Return all subjects as they are stored now, or were at most `MAX_AGE_SECONDS` ago."""
        return _current if _current.read_at > monotonic() - MAX_AGE_SECONDS else await _read_once(None)

    @staticmethod
    def current() -> "SubjectCatalog":
        """Return what this process has read last, which may be old or nothing."""
        return _current

    @classmethod
    def of(cls, stored: Iterable[Mapping[str, Any]], moves: Iterable[Move], read_at: float) -> Self:
        """Return the catalogue of stored subjects, some of which are being renamed or merged."""
        rows = list(stored)
        names = frozenset(row["name"] for row in rows)
        return cls(
            names=names,
            moving={move.earlier: move for move in moves if move.earlier not in names},
            maxima={row["name"]: row["max"] for row in rows if row["max"] is not None},
            order={row["name"]: row["order"] for row in rows if row["order"] != UNORDERED},
            uncounted=frozenset(row["name"] for row in rows if not row["counts_in_total"]),
            declared=frozenset(row["name"] for row in rows if row["declared"]),
            by_key={key: row["name"] for row in rows for key in row["spellings"]},
            merged={subject: ConflictRule(rule) for row in rows for subject, rule in row.get("merged", {}).items()},
            highest_max=max((row["max"] for row in rows if row["max"] is not None), default=0),
            read_at=read_at,
        )

    def find(self, subject: str) -> str | None:
        """Return the stored name of a subject, given in any spelling or by an alias; None if it is not stored."""
        if subject in self.names:
            return subject
        return self.by_key.get(exact_key(subject)) or self.by_key.get(spelling_key(subject))

    def name_of(self, subject: str) -> str:
        """Return the stored name of a subject, or the given spelling if it is not stored."""
        return self.find(subject) or subject

    def key_of(self, subject: str) -> str:
        """Return a key that is equal for all spellings and aliases of one subject, whether it is stored or not."""
        return self.find(subject) or spelling_key(subject)

    def respelled(self, marks: Mapping[str, Mark]) -> dict[str, Mark]:
        """Return a student's stored marks, or those of an earlier version, under today's names of their subjects.

        Of two marks in subjects that were merged, the rule of the merge decides which one is kept. A mark under the
        earlier name of a renamed subject was written last, by a process that did not know of the renaming yet.
        """
        if marks.keys() <= self.names:  # much faster, and the usual case
            return dict(marks)
        found: dict[str, Mark] = {}
        for subject, mark in marks.items():
            if (name := self.name_of(subject)) == subject or name not in marks.keys() | found.keys():
                found.setdefault(name, mark)
        for subject, mark in marks.items():
            if (name := self.name_of(subject)) != subject:
                found[name] = self.rule_for(subject).kept(found[name], mark)
        return found

    def rule_for(self, earlier: str) -> ConflictRule:
        """Return which mark counts of a student with one under this earlier name and one under today's."""
        return self.merged.get(earlier, ConflictRule.FROM)

    def names_in_marks(self, subject: str) -> list[str]:
        """Return the names under which students may have marks in a subject, given by its stored name: this one, and
        the earlier ones from which marks are moved."""
        return [subject, *(earlier for earlier in self.moving if self.name_of(earlier) == subject)]

    def own_max(self, subject: str) -> float | None:
        """Return the highest mark that is declared for a subject, given by its stored name or by an earlier one."""
        return self.maxima.get(subject if subject in self.names else self.name_of(subject)) if self.maxima else None

    def max_of(self, subject: str) -> float:
        """Return the highest mark in a subject, given as for `own_max`: its own, or `MARKS_MAX`."""
        own = self.own_max(subject)
        return MarkSettings.current().max if own is None else own

    def counts(self, subject: str) -> bool:
        """Return whether marks in a subject, given as for `own_max`, are part of a total."""
        return not self.uncounted or self.name_of(subject) not in self.uncounted

    def sorted(self, subjects: Iterable[str]) -> list[str]:
        """Return subjects, given by their stored names, in their declared order; those without one follow by name."""
        return sorted(subjects, key=lambda subject: (self.order.get(subject, UNORDERED), subject))

    def __iter__(self) -> Iterator[str]:
        return iter(self.sorted(self.names))


_current = SubjectCatalog()


def invalidate() -> None:
    """Read the subjects again before they are used the next time: after a write."""
    _use(replace(_current, read_at=float("-inf")))


def reset() -> None:
    """Know no subjects until they are read: of another database."""
    _use(SubjectCatalog())


def _use(catalog: SubjectCatalog) -> None:
    global _current  # noqa: PLW0603 (one catalogue for the process)
    _current = catalog


async def _read(requests: Sequence[None]) -> list[SubjectCatalog]:
    before, read_at = _current, monotonic()
    # The filter matches all subjects, and lets the query use an index.
    found = collection(Subject).find({"order": {"$gte": 0}}, _FIELDS)
    rows = await found.to_list(None)
    # Read after the subjects: of a subject that has another name already, the operation is stored.
    moving = {"$or": [{"active": {"$gt": ""}}, {"finished_at": {"$gt": utc_now() - LATE_WRITES_FOR}}]}
    operations = [one for one in await SubjectOperation.find(moving).to_list() if one.moves_marks]
    # Of two that move marks from the same name, the one that is running, or else the later one, counts.
    operations.sort(key=lambda one: (one.finished_at is None, one.finished_at or one.created_at))
    catalog = SubjectCatalog.of(rows, map(Move.of, operations), read_at)
    if _current is before:  # otherwise a write came in between, and may not be in it
        _use(catalog)
    return [catalog] * len(requests)


# Concurrent requests share one query.
_read_once = Batcher(_read)
