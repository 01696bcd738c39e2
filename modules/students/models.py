"""What is stored of students: the current record, the versions before it, and the order in which they changed."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from beanie import Document, PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel

from core.api import strong_etag
from core.clock import utc_now
from core.middleware import current_request
from modules.students.search_terms import words_of


class Action(StrEnum):
    """What made a version of a record."""

    CREATED = "created"
    UPDATED = "updated"
    RENAMED = "renamed"
    DELETED = "deleted"
    RESTORED = "restored"


class StudentVersionData(BaseModel):
    """One version of a student's record. `version` counts them from 1, without gaps. A subject without an entry in
    `marks` has no mark. A version with `deleted_at` says that the student is deleted, and what was there."""

    roll_no: str
    name: str
    branch: str
    marks: dict[str, int | float]
    version: int = 1
    action: Action = Action.CREATED
    updated_by: str
    created_at: datetime = Field(default_factory=utc_now)
    updated_at: datetime = Field(default_factory=utc_now)
    deleted_at: datetime | None = None
    source: str | None = None
    """What the version was part of, where that was more than one student; such as an import."""
    stamp: PydanticObjectId | None = None
    """Tells the write that made this version from any other that might have made it."""


# No subject contains a dot.
SUBJECT_SEPARATOR = "."


class Keys(BaseModel):
    """What the indexes need, made from the rest of the record. That of a deleted student is empty.

    live        whether the student is not deleted
    words       of name and roll number, for searches
    subjects    the names of the subjects with a mark, in order and joined: a school has few of these, so they tell
                quickly who has no mark in one
    total       the sum of the marks in hundredths, so that it is exact; without marks there is none
    average     the total by the number of marks, in hundredths: equal ones are equal, as division rounds correctly
    """

    live: bool = False
    words: list[str] = []
    subjects: str | None = None
    total: int | None = None
    average: float | None = None


def keys_of(record: Mapping[str, Any]) -> Keys:
    """What the indexes need of a record, given field by field."""
    if record["deleted_at"] is not None:
        return Keys()
    marks = record["marks"]
    total = sum(round(mark * 100) for mark in marks.values())
    return Keys.model_construct(
        live=True,
        words=words_of(f"{record['name']} {record['roll_no']}"),
        subjects=SUBJECT_SEPARATOR.join(sorted(marks)),
        total=total if marks else None,
        average=total / len(marks) if marks else None,
    )


class Erased(BaseModel):
    """When a student was erased, by whom and from where; nothing of whom it concerned."""

    at: datetime = Field(default_factory=utc_now)
    who: str
    address: str = Field(default_factory=lambda: current_request().address)
    request_id: str = Field(default_factory=lambda: current_request().request_id)


class Erasing(Erased):
    """The same while the student is being erased. `waits_for` names the modules that must forget the student before."""

    waits_for: list[str] = []


class StudentSnapshot(StudentVersionData):
    """A student's current record, deleted or not, as the service works with it. With `erasing` it is about to be
    removed, and as good as gone."""

    id: PydanticObjectId | None
    erasing: Erasing | None = None
    keys: Keys = Field(default_factory=keys_of)
    unsequenced: bool = True
    """Whether the feed of changes has still to give this version a place; absent when it has one."""

    @classmethod
    def new(cls, by: str, source: str | None = None, **content: Any) -> Self:
        """A student who is not stored yet, made by the user `by`. The content has been checked."""
        now = utc_now()
        made = {"version": 1, "action": Action.CREATED, "updated_by": by, "source": source, "deleted_at": None}
        times = {"created_at": now, "updated_at": now}
        return cls._made({"id": ObjectId(), **times, **made, **content})

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The student that MongoDB holds: what is in there was checked on its way in."""
        read = {"id": stored["_id"], "action": Action(stored["action"]), "keys": Keys.model_construct(**stored["keys"])}
        return cls.model_construct(**{**stored, **read})

    @classmethod
    def _made(cls, record: dict[str, Any]) -> Self:
        record["stamp"] = ObjectId()
        return cls.model_construct(**record, keys=keys_of(record), erasing=None, unsequenced=True)

    @property
    def etag(self) -> str:
        """The entity tag of this state of the record."""
        assert self.id, "only a stored record has an entity tag"
        return strong_etag(self.id, self.version)

    def successor(self, action: Action, by: str, **changes: Any) -> Self:
        """The next version of this record, made by the user `by`; not stored yet. The changes have been checked."""
        made = {
            "version": self.version + 1,
            "action": action,
            "updated_by": by,
            "updated_at": utc_now(),
            "source": None,
        }
        return self._made({"id": self.id, **self.record(), **made, **changes})

    def record(self) -> dict[str, Any]:
        """What the history keeps of this version."""
        return {name: getattr(self, name) for name in StudentVersionData.model_fields}

    def deleted(self, by: str, source: str | None = None) -> Self:
        """The version that says that the student is deleted; not stored yet."""
        return self.successor(Action.DELETED, by, deleted_at=utc_now(), source=source)

    def stored(self) -> dict[str, Any]:
        """The whole record as MongoDB keeps it, other than its `_id`."""
        return self.model_dump(exclude={"id"})


class StudentDocument(Document, StudentSnapshot):
    """The same as MongoDB keeps it. Not for the way of a request: a document takes far longer to make and to read."""

    class Settings:
        """The indexes: one for each order of a list, and for each of the filters that narrow a list down. Only one of
        them begins with what all queries ask for, so that the database has few plans to try for each; the others end
        with it, and so can tell a deleted student without reading the record."""

        name = "students"
        indexes = [
            IndexModel("roll_no", name="roll_no_unique", unique=True),
            IndexModel([("keys.live", 1), ("roll_no", 1)], name="by_roll_no"),
            IndexModel([("name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_name"),
            IndexModel([("branch", 1), ("roll_no", 1), ("keys.live", 1)], name="by_branch"),
            # Beanie takes two indexes of the same fields for one, whatever their directions: hence the `_id`.
            IndexModel([("branch", -1), ("roll_no", 1), ("keys.live", 1), ("_id", 1)], name="by_branch_falling"),
            IndexModel([("branch", 1), ("name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_branch_and_name"),
            IndexModel([("created_at", 1), ("roll_no", 1), ("keys.live", 1)], name="by_created_at"),
            IndexModel([("updated_at", 1), ("roll_no", 1), ("keys.live", 1)], name="by_updated_at"),
            IndexModel([("keys.subjects", 1), ("roll_no", 1), ("keys.live", 1)], name="by_subjects"),
            IndexModel([("keys.total", -1), ("roll_no", 1), ("keys.live", 1)], name="by_total"),
            IndexModel([("keys.average", -1), ("roll_no", 1), ("keys.live", 1)], name="by_average"),
            IndexModel([("keys.words", 1), ("roll_no", 1)], name="by_word"),
            IndexModel([("marks.$**", 1)], name="by_mark"),
            IndexModel("unsequenced", name="unsequenced", sparse=True),
            IndexModel("erasing.at", name="erasing", sparse=True),
        ]


class StudentVersion(StudentVersionData, Document):
    """A version that has been replaced. Kept by the student's `_id`, so that a renamed student keeps its past."""

    student: PydanticObjectId

    class Settings:
        """Each version is there once, however often it is copied."""

        name = "student_history"
        indexes = [IndexModel([("student", 1), ("version", 1)], name="version_unique", unique=True)]


class Change(Document):
    """A place in the feed of changes: its number, and the student that had changed when the number was given."""

    id: int  # type: ignore[assignment]  # numbered from 1, without gaps
    student: PydanticObjectId

    class Settings:
        """Read by number; a student's older places are cleared away."""

        name = "student_changes"
        indexes = [IndexModel([("student", 1), ("_id", 1)], name="by_student")]


class Erasure(Erased, Document):
    """The audit's row for a student who was erased. Its `_id` is what was the student's, so that it is written once."""

    class Settings:
        """Read from the newest back."""

        name = "student_erasures"
        indexes = [IndexModel([("at", -1), ("_id", -1)], name="newest_first")]


class ErasureFollower(Document):
    """A module that has to forget each student who is erased, by its name: also while it is switched off."""

    id: str  # type: ignore[assignment]  # the module's name instead of an ObjectId

    class Settings:
        """Read as a whole."""

        name = "erasure_followers"
