"""The stored documents of subjects."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from beanie import Document, PydanticObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel

from core.api import Choice, Versioned
from core.clock import utc_now
from core.database import stored_form

UNORDERED = 1_000_000
"""The stored `order` of a subject without one: after all others."""


class SubjectChange(BaseModel):
    """One change of a subject: when, by whom, and what."""

    at: datetime
    by: str
    address: str
    request_id: str
    what: str


class ConflictRule(Choice):
    """Which mark a student keeps who has one in both of two subjects that are merged: that in the subject that stays,
    that in the subject that goes, the higher one, or the lower one."""

    INTO = "into"
    FROM = "from"
    HIGHEST = "highest"
    LOWEST = "lowest"

    def kept(self, into: int | float, from_: int | float) -> int | float:
        """Return the mark to keep."""
        match self:
            case ConflictRule.INTO:
                return into
            case ConflictRule.FROM:
                return from_
            case ConflictRule.HIGHEST:
                return max(into, from_)
            case ConflictRule.LOWEST:
                return min(into, from_)

    def expression(self, into: Any, from_: Any) -> Any:
        """Return the aggregation expression for the mark to keep, of which one or both may be missing."""
        match self:
            case ConflictRule.INTO:
                return {"$ifNull": [into, from_]}
            case ConflictRule.FROM:
                return {"$ifNull": [from_, into]}
            case ConflictRule.HIGHEST:
                return {"$max": [into, from_]}
            case ConflictRule.LOWEST:
                return {"$min": [into, from_]}


class Subject(Versioned):
    """A subject that somebody has written a mark in, or that is declared.

    spellings        the keys of the name and of the aliases: each finds one subject
    name             the spelling under which marks are stored
    max              the highest mark; None for `MARKS_MAX`
    order            the place in lists, `UNORDERED` without one
    counts_in_total  whether its marks are part of a student's total
    declared         whether somebody has described it: other subjects are listed only while students have marks in them
    merged           the subjects that were merged into this one, each with the rule for students with marks in both.
                     It applies to older versions that are restored, too.
    log              the newest changes
    """

    spellings: list[str]
    name: str
    title: str | None = None
    max: int | float | None = None
    order: int = UNORDERED
    aliases: list[str] = []
    counts_in_total: bool = True
    declared: bool = False
    merged: dict[str, ConflictRule] = {}
    log: list[SubjectChange] = []

    def row(self) -> dict[str, Any]:
        """Return the document as it is stored."""
        return {"_id": self.id, **stored_form(self)}

    class Settings:
        """Collection name and indexes: a unique one over the keys of all names and aliases, and one for the list."""

        name = "subjects"
        indexes = [
            IndexModel("spellings", name="key_unique", unique=True),
            IndexModel("name", name="name_unique", unique=True),
            IndexModel([("order", 1), ("name", 1)], name="by_order"),
        ]


class OperationKind(StrEnum):
    """What is done to all students with marks in a subject."""

    RENAME = "rename"
    MERGE = "merge"


class OperationState(StrEnum):
    """The state of an operation."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class SubjectOperation(Document):
    """The renaming of a subject, or the merging of one into another.

    subject      the name that goes
    target       the name that stays
    stays        the `_id` of the subject that has the name `target` afterwards
    removed      the subject that a merge removes, as stored, to be restored by an undo
    started      whether the job has begun to carry it out
    active       the names of the subjects that no other operation may change now; absent when it has ended
    total        the number of students with a mark in `subject` when it began
    changed      how many of them have been changed so far
    conflicts    how many of them had a mark in both subjects
    restored     how many an undo has given their earlier marks back
    kept         how many an undo has left as they are, because they had been changed since
    """

    kind: OperationKind
    subject: str
    target: str
    stays: PydanticObjectId
    removed: dict[str, Any] | None = None
    on_conflict: ConflictRule | None = None
    by: str
    undone_by: str | None = None
    state: OperationState = OperationState.RUNNING
    detail: str | None = None
    started: bool | None = None
    active: list[str] | None = None
    total: int = 0
    changed: int = 0
    conflicts: int = 0
    restored: int = 0
    kept: int = 0
    created_at: datetime = Field(default_factory=utc_now)
    finished_at: datetime | None = None

    class Settings:
        """Beanie settings. Absent fields are not stored, so that the sparse index skips operations that have ended."""

        name = "subject_operations"
        keep_nulls = False
        indexes = [
            IndexModel("active", name="active_unique", unique=True, sparse=True),
            IndexModel("finished_at", name="finished", sparse=True),
        ]

    @property
    def moves_marks(self) -> bool:
        """Whether marks may still be under the name that goes. The undo of a merge gives back earlier versions."""
        is_merge = self.kind is OperationKind.MERGE
        return self.state is not OperationState.FAILED and not (is_merge and self.is_undo)

    @property
    def is_undo(self) -> bool:
        """Whether the operation is being undone, or has been."""
        return self.state in (OperationState.UNDOING, OperationState.UNDONE)

    @property
    def source(self) -> str:
        """The `source` of the student versions that this operation writes."""
        return f"subject {self.kind} {self.id}"


class MergedStudent(Document):
    """A student whom a merge has changed, logged before the change, so that it can be undone.

    `after` is the version that the merge makes. `into` and `from_mark` are the marks of a student who had both, and
    `kept` is the mark that was kept.
    """

    operation: PydanticObjectId
    student: PydanticObjectId
    after: int
    into: int | float | None = None
    from_mark: int | float | None = None
    kept: int | float | None = None

    class Settings:
        """Collection name and indexes: by operation, those with a conflict, and a unique one by student."""

        name = "subject_merged_students"
        keep_nulls = False
        indexes = [
            IndexModel([("operation", 1), ("_id", 1)], name="by_operation"),
            IndexModel([("operation", 1), ("kept", 1)], name="conflicts"),
            IndexModel([("student", 1), ("operation", 1)], name="student_unique", unique=True),
        ]
