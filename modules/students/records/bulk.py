"""Bulk reads and writes of students, for other modules."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from bson import ObjectId

from core.database import collection, read_majority
from modules.students.fields import MAX_SUBJECTS
from modules.students.identities import identity_key
from modules.students.models import (
    Action,
    Erasure,
    StudentDocument,
    StudentSnapshot,
    StudentVersion,
    StudentVersionData,
)
from modules.students.records.write_batch import Outcome, Write, write_all
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import above_maximum

# The highest number of similar students for one roll number, and of students that one query returns for several.
MAX_SIMILAR = 20
_MAX_FOUND = 1_000


@dataclass(frozen=True, slots=True)
class SimilarStudent:
    """A student whose roll number may be the same as another one, or with `is_former`, had such a roll number before.

    `source` is that of the current version.
    """

    roll_no: str
    name: str
    source: str | None
    is_former: bool


@dataclass(frozen=True, slots=True)
class StudentBulkStore:
    """Reads and writes many students at once, for an operation such as an import. Each version that it makes names the
    user `by` and the operation `source`."""

    MAX_SUBJECTS: ClassVar[int] = MAX_SUBJECTS

    by: str
    source: str

    @staticmethod
    async def find(roll_nos: Collection[str]) -> dict[str, StudentSnapshot]:
        """Return the students with these roll numbers, including deleted ones, by roll number."""
        wanted = {"roll_no": {"$in": list(roll_nos)}, "former": None, "erasing": None}
        found = read_majority(StudentDocument).find(wanted)
        return {stored["roll_no"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}

    @staticmethod
    async def find_by_id(ids: Collection[ObjectId]) -> dict[ObjectId, StudentSnapshot]:
        """Return the students with these `_id`s, including deleted ones, by `_id`."""
        found = read_majority(StudentDocument).find({"_id": {"$in": list(ids)}, "erasing": None})
        return {stored["_id"]: StudentSnapshot.of(stored) for stored in await found.to_list(None)}

    @staticmethod
    async def find_similar(roll_nos: Collection[str]) -> dict[str, list[SimilarStudent]]:
        """Return the students whose identity key is that of each of these roll numbers, up to `MAX_SIMILAR`, without
        the student who has exactly this roll number. Deleted students have no identity key."""
        by_key: defaultdict[str, list[str]] = defaultdict(list)
        for roll_no in roll_nos:
            by_key[identity_key(roll_no)].append(roll_no)
        similar: defaultdict[str, list[SimilarStudent]] = defaultdict(list)
        for stored in await _with_identities(list(by_key)):
            own, *_ = identities = stored["keys"]["identities"]
            for key in by_key.keys() & set(identities):
                one = SimilarStudent(stored["roll_no"], stored["name"], stored["source"], is_former=key != own)
                for roll_no in by_key[key]:
                    if roll_no != one.roll_no and len(similar[roll_no]) < MAX_SIMILAR:
                        similar[roll_no].append(one)
        return similar

    @staticmethod
    async def erased(ids: Collection[ObjectId]) -> set[ObjectId]:
        """Return which of these `_id`s belonged to students who have been erased."""
        if not ids:
            return set()
        found = collection(Erasure).find({"_id": {"$in": list(ids)}}, {"_id": 1})
        return {stored["_id"] for stored in await found.to_list(None)}

    @staticmethod
    async def erased_since(moment: datetime) -> bool:
        """Return whether any erasure began or was completed at `moment` or later."""
        begun = await StudentDocument.find({"erasing.at": {"$gte": moment}}).exists()
        return begun or await Erasure.find({"at": {"$gte": moment}}).exists()

    @staticmethod
    async def versions_of(wanted: Sequence[tuple[ObjectId, int]]) -> dict[ObjectId, StudentVersionData]:
        """Return replaced versions, given as pairs of student `_id` and version number, by the student's `_id`. Their
        marks are under today's names of the subjects."""
        if not wanted:
            return {}
        clauses = [{"student": student, "version": version} for student, version in wanted]
        found, known = await StudentVersion.find({"$or": clauses}).to_list(), await SubjectCatalog.read()
        for version in found:
            version.marks = known.respelled(version.marks)
        return {ObjectId(version.student): version for version in found}

    def created(self, content: dict[str, Any]) -> Write:
        """Return the write of a new student; `content` must be validated. A deleted one gives up the roll number."""
        return Write(None, StudentSnapshot.new(self.by, self.source, **content))

    def changed(self, current: StudentSnapshot, content: dict[str, Any]) -> Write:
        """Return the write of new content for a student; a deleted student is created again."""
        action = Action.UPDATED if current.deleted_at is None else Action.CREATED
        return self._replaced(current, action, content)

    def reverted(self, current: StudentSnapshot, before: StudentVersionData | None) -> Write:
        """Return the write that restores the version `before`, or deletes the student if that is None or deleted."""
        if before is None or before.deleted_at is not None:
            return Write(current, current.deleted(self.by, self.source))
        return self._replaced(current, Action.RESTORED, before.model_dump(include={"name", "branch", "marks"}))

    def _replaced(self, current: StudentSnapshot, action: Action, content: dict[str, Any]) -> Write:
        made = {"source": self.source, "deleted_at": None}
        return Write(current, current.successor(action, self.by, **made, **content))

    def has_made(self, version: StudentVersionData | SimilarStudent) -> bool:
        """Return whether this operation made a version of a student."""
        return version.source == self.source

    @staticmethod
    async def write_all(writes: Sequence[Write], *, within_maxima: bool = False) -> list[bool]:
        """Write all of these; return for each whether it was made. One that was not made has changed nothing: a
        concurrent write was faster, another student has the roll number, or a subject has another name by now; with
        `within_maxima`, also if a new mark is above the maximum of its subject by now."""
        known = await SubjectCatalog.read()
        wanted = [one for one in writes if not (within_maxima and _above_maximum(one, known))]
        outcomes = {id(one): outcome for one, outcome in zip(wanted, await write_all(wanted), strict=True)}
        return [outcomes.get(id(one)) is Outcome.MADE for one in writes]


def _above_maximum(write: Write, known: SubjectCatalog) -> list[str]:
    return above_maximum(write.successor.marks, write.current.marks if write.current else {}, known)


async def _with_identities(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return the students with one of these identity keys: all of them, or the first ones of a single key.

    Very many students with one key must not displace those with another, so too many keys are divided.
    """
    most = _MAX_FOUND if len(keys) > 1 else MAX_SIMILAR + 1
    fields = {"roll_no": 1, "name": 1, "source": 1, "keys.identities": 1}
    query = {"keys.identities": {"$in": keys}}
    found: list[dict[str, Any]] = await read_majority(StudentDocument).find(query, fields).limit(most).to_list(None)
    if len(found) < most or len(keys) == 1:
        return found
    half = len(keys) // 2
    return [*await _with_identities(keys[:half]), *await _with_identities(keys[half:])]
