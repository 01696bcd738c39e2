"""The stored documents: students, their earlier versions, the feed of changes and the audit of erasures."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any, ClassVar, Self

from beanie import Document, PydanticObjectId
from bson import ObjectId
from pydantic import BaseModel, Field
from pymongo import IndexModel

from core.api import strong_etag
from core.clock import utc_now
from core.middleware import current_request
from modules.students.figures import MarkFigures, Marks
from modules.students.identities import identity_key
from modules.students.search_terms import terms_of
from modules.students.sort_keys import last_name_key, name_key, natural_key


class Action(StrEnum):
    """The operation that created a version."""

    CREATED = "created"
    UPDATED = "updated"
    RENAMED = "renamed"
    DELETED = "deleted"
    RESTORED = "restored"


class StudentVersionData(BaseModel):
    """One version of a student's record.

    `version` counts from 1, without gaps. A subject without an entry in `marks` has no mark. If `deleted_at` is set,
    the student is deleted in this version, and the other fields keep the last content.
    """

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
    """The operation on several students that created this version, such as an import; None for a single write."""
    stamp: PydanticObjectId | None = None
    """The id of the write that created this version. It distinguishes this write from concurrent ones."""


# The number of earlier roll numbers by which a renamed student is recognized.
MAX_FORMER = 20

# No subject contains a dot.
SUBJECT_SEPARATOR = "."


class Keys(BaseModel):
    """Values for the indexes, made from the rest of the record. A deleted student has only the sort keys and `former`.

    live        whether the student is not deleted
    terms       the search terms of name and roll number
    subjects    the names of the subjects with a mark, sorted and joined. A school has few distinct combinations, which
                makes it fast to find the students without a mark in a subject.
    total       the total in hundredths, and
    average     the average in hundredths, both as `MarkFigures.stored` returns them
    identities  the identity key of the roll number, then those of up to `MAX_FORMER` earlier ones, newest first
    former      of a deleted student, the identities to restore
    natural     the sort key of the roll number
    name        the sort key of the name
    last_name   the sort key of the name from its last word on

    A list skips deleted students by its index: without sort keys, all of them would be in one place, to skip at once.
    """

    live: bool = False
    terms: list[str] = []
    subjects: str | None = None
    total: int | None = None
    average: float | None = None
    identities: list[str] = []
    former: list[str] = []
    natural: str = ""
    name: str = ""
    last_name: str = ""

    def compute_figures(self, marks: Marks, figures: MarkFigures) -> Self:
        """Set total and average, unless the student is deleted, and return this object."""
        if self.live:
            self.total, self.average = figures.stored(marks)
        return self

    def add_former(self, identities: Sequence[str]) -> Self:
        """Add the identity keys of earlier versions, and return this object. Those of a deleted student are kept to be
        restored."""
        if not self.live:
            self.former = list(identities)
        elif identities != self.identities:
            self.identities = list(dict.fromkeys([*self.identities, *identities]))[: MAX_FORMER + 1]
        return self


_PLAIN = MarkFigures()


def keys_of(record: Mapping[str, Any], known: Keys | None = None) -> Keys:
    """Return the index values of a record, given as a mapping of its fields, without those of earlier versions. Total
    and average are those of subjects without maxima of their own.

    `known` are those of a version with the same name and roll number, which most versions have: what is made from these
    two takes the most time.
    """
    name, roll_no = record["name"], record["roll_no"]
    sort_keys: dict[str, Any] = (
        {"natural": natural_key(roll_no), "name": name_key(name), "last_name": last_name_key(name)}
        if known is None
        else {"natural": known.natural, "name": known.name, "last_name": known.last_name}
    )
    if record["deleted_at"] is not None:
        return Keys(**sort_keys)
    marks = record["marks"]
    keys = Keys.model_construct(
        live=True,
        terms=known.terms if known and known.live else terms_of(f"{name} {roll_no}"),
        subjects=SUBJECT_SEPARATOR.join(sorted(marks)),
        identities=known.identities[:1] if known and known.live else [identity_key(roll_no)],
        **sort_keys,
    )
    return keys.compute_figures(marks, _PLAIN)


class Erased(BaseModel):
    """Time, user, client address and request of an erasure. Nothing in it identifies the erased student."""

    erasure_id: str | None = None
    """The public name of the erasure; None if a version before 0.3 made it."""
    at: datetime = Field(default_factory=utc_now)
    who: str
    address: str = Field(default_factory=lambda: current_request().address)
    request_id: str = Field(default_factory=lambda: current_request().request_id)


class Erasing(Erased):
    """An erasure in progress. `waits_for` names the modules that have not deleted their data of the student yet."""

    waits_for: list[str] = []


class PendingMerge(BaseModel):
    """A merge, or its undo, that is not finished: what the survivor's next version has."""

    at: datetime = Field(default_factory=utc_now)
    undo: bool = False
    by: str
    content: dict[str, Any]
    absorbed: list[PydanticObjectId]
    identities: list[str]


class Merge(BaseModel):
    """What a record that was merged into another one, the survivor, stores of that.

    source    the `source` of the versions that the merge made
    into      the survivor's `_id`
    version   the survivor's version with the content of both
    earlier   the survivor's identities before the merge
    pending   what is still to be done
    """

    source: str
    into: PydanticObjectId
    version: int
    earlier: list[str] = []
    pending: PendingMerge | None = None


def public_key(student: ObjectId) -> str:
    """Return the public name of a record, by which it can be told from others that had its roll number."""
    return urlsafe_b64encode(blake2b(student.binary, digest_size=12).digest()).decode()


class StudentSnapshot(StudentVersionData):
    """A student's current record, deleted or not, in memory.

    erasing   set while the student is being erased; callers treat the record as not found
    former    the record's own `_id` if it is deleted and its roll number was given to another student, else None
    merge     set if the record was merged into another one; it then is deleted, too
    absorbed  the `_id`s of the records that were merged into this one, directly or not, newest first
    """

    id: PydanticObjectId | None
    erasing: Erasing | None = None
    former: PydanticObjectId | None = None
    merge: Merge | None = None
    absorbed: list[PydanticObjectId] = []
    keys: Keys = Field(default_factory=lambda record: keys_of(record))  # noqa: PLW0108 (pydantic counts parameters)
    unsequenced: bool = True
    """Whether this version has no number in the feed of changes yet; the stored field is removed when it gets one."""

    @classmethod
    def new(cls, by: str, source: str | None = None, **content: Any) -> Self:
        """Return a new student, created by the user `by` and not stored yet. `content` must be validated."""
        now = utc_now()
        made = {"version": 1, "action": Action.CREATED, "updated_by": by, "source": source, "deleted_at": None}
        times = {"created_at": now, "updated_at": now}
        return cls._made({"id": ObjectId(), **times, **made, **content})

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """Return the student of a MongoDB document, without validation: stored values were validated when written."""
        read = {"id": stored["_id"], "action": Action(stored["action"]), "keys": Keys.model_construct(**stored["keys"])}
        if merge := stored.get("merge"):
            read["merge"] = Merge.model_validate(merge)
        return cls.model_construct(**{**stored, **read})

    @classmethod
    def _made(cls, record: dict[str, Any], known: Keys | None = None) -> Self:
        record["stamp"] = ObjectId()
        return cls.model_construct(**record, keys=keys_of(record, known), erasing=None, unsequenced=True)

    @property
    def is_creation(self) -> bool:
        """Whether this version created the student, for the first time or again."""
        return self.action is Action.CREATED

    @property
    def etag(self) -> str:
        """The entity tag of this version."""
        assert self.id, "only a stored record has an entity tag"
        return strong_etag(self.id, self.version)

    def successor(self, action: Action, by: str, **changes: Any) -> Self:
        """Return the next version, created by the user `by` and not stored yet. `changes` must be validated."""
        made = {
            "version": self.version + 1,
            "action": action,
            "updated_by": by,
            "updated_at": utc_now(),
            "source": None,
        }
        kept = {"id": self.id, "former": self.former, "merge": self.merge, "absorbed": self.absorbed}
        record = {**kept, **self.record(), **made, **changes}
        is_same = (record["name"], record["roll_no"]) == (self.name, self.roll_no)
        successor = self._made(record, self.keys if is_same else None)
        successor.keys.add_former(self.keys.identities or self.keys.former)
        return successor

    def record(self) -> dict[str, Any]:
        """Return the fields of this version that the history stores."""
        return {name: getattr(self, name) for name in StudentVersionData.model_fields}

    def deleted(self, by: str, source: str | None = None) -> Self:
        """Return the next version, in which the student is deleted; not stored yet."""
        return self.successor(Action.DELETED, by, deleted_at=utc_now(), source=source)

    def stored(self) -> dict[str, Any]:
        """Return the MongoDB document without its `_id`."""
        return self.model_dump(exclude={"id"})


class StudentDocument(Document, StudentSnapshot):
    """The Beanie document of a student. Requests use `StudentSnapshot`: Beanie documents are much slower to create."""

    class Settings:
        """Collection name and indexes: one index for each sort order of a list and for each selective filter.

        Only one index begins with `keys.live`, which all queries filter by: so the query planner has few candidate
        plans to try. Those of the other sort orders end with it, so that deleted students are skipped without reading
        their documents. Deleted students have no search terms and no identities.
        """

        name = "students"
        indexes = [
            IndexModel([("roll_no", 1), ("former", 1)], name="holder_unique", unique=True),
            IndexModel([("keys.live", 1), ("roll_no", 1)], name="by_roll_no"),
            IndexModel([("name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_name"),
            IndexModel([("branch", 1), ("roll_no", 1), ("keys.live", 1)], name="by_branch"),
            # Beanie treated indexes on the same fields as equal, whatever their directions: `_id` made this one differ.
            IndexModel([("branch", -1), ("roll_no", 1), ("keys.live", 1), ("_id", 1)], name="by_branch_falling"),
            IndexModel([("keys.natural", 1), ("roll_no", 1), ("keys.live", 1)], name="by_natural_roll_no"),
            IndexModel([("keys.name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_name_key"),
            IndexModel([("keys.last_name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_last_name_key"),
            IndexModel([("branch", 1), ("keys.name", 1), ("roll_no", 1), ("keys.live", 1)], name="by_branch_and_key"),
            IndexModel([("created_at", 1), ("roll_no", 1), ("keys.live", 1)], name="by_created_at"),
            IndexModel([("updated_at", 1), ("roll_no", 1), ("keys.live", 1)], name="by_updated_at"),
            IndexModel([("keys.subjects", 1), ("roll_no", 1), ("keys.live", 1)], name="by_subjects"),
            IndexModel([("keys.total", -1), ("roll_no", 1), ("keys.live", 1)], name="by_total"),
            IndexModel([("keys.average", -1), ("roll_no", 1), ("keys.live", 1)], name="by_average"),
            IndexModel([("keys.terms", 1), ("roll_no", 1)], name="by_term"),
            IndexModel("keys.identities", name="by_identity"),
            IndexModel([("marks.$**", 1)], name="by_mark"),
            IndexModel("unsequenced", name="unsequenced", sparse=True),
            IndexModel("erasing.at", name="erasing", sparse=True),
            IndexModel("merge.pending.at", name="merging", sparse=True),
        ]


class StudentVersion(StudentVersionData, Document):
    """A replaced version. It refers to the student's `_id`, so that a renamed student keeps its history."""

    student: PydanticObjectId

    class Settings:
        """Collection name and indexes. The unique index keeps one copy of each version when writers retry."""

        name = "student_history"
        indexes = [IndexModel([("student", 1), ("version", 1)], name="version_unique", unique=True)]


class FormerNumber(Document):
    """The student who had a roll number last, and was given another one. It is read only while nobody has this one."""

    id: str  # type: ignore[assignment]  # the roll number instead of an ObjectId
    student: PydanticObjectId

    class Settings:
        """Collection name and indexes. The index finds the numbers of a student who is erased."""

        name = "student_former_numbers"
        indexes = [IndexModel("student", name="by_student")]


class Change(Document):
    """An entry in the feed of changes: its number, and the student whose current version got that number."""

    id: int  # type: ignore[assignment]  # numbered from 1, without gaps
    student: PydanticObjectId

    class Settings:
        """Collection name and indexes. The index finds a student's older entries, which are deleted."""

        name = "student_changes"
        indexes = [IndexModel([("student", 1), ("_id", 1)], name="by_student")]


class Erasure(Erased, Document):
    """The audit entry of an erased student. It has the student's `_id`, so that it is inserted only once."""

    class Settings:
        """Collection name and indexes. The audit is listed newest first."""

        name = "student_erasures"
        indexes = [
            IndexModel([("at", -1), ("_id", -1)], name="newest_first"),
            IndexModel("erasure_id", name="by_erasure_id", sparse=True),
        ]


class ErasureFollower(Document):
    """The name of a module that must delete its data of each erased student, even if the module is now disabled."""

    id: str  # type: ignore[assignment]  # the module's name instead of an ObjectId

    class Settings:
        """Collection name. Without further indexes: queries read the whole collection."""

        name = "erasure_followers"


class ChangeFollower(Document):
    """The position in the feed of a module that follows the changes of students.

    position  the number of the last entry that the module's handler has handled
    retry_at  when the handler is called again after it has failed
    failures  how many calls in a row have failed
    """

    MAX_FAILURES: ClassVar[int] = 3
    """After this many failures, `/readyz` and `core check --data` name the module until a success."""

    id: str  # type: ignore[assignment]  # the module's name instead of an ObjectId
    position: int = 0
    retry_at: datetime
    failures: int = 0

    class Settings:
        """Collection name. Without further indexes: documents are read by `_id`."""

        name = "student_change_followers"

    @property
    def is_failing(self) -> bool:
        """Whether the module cannot follow the changes at present."""
        return self.failures >= self.MAX_FAILURES
