"""Students as owners of other modules' records."""

from collections.abc import Collection, Mapping
from typing import Any, Self

from bson import ObjectId

from core.database import collection, read_majority
from core.references import OwnerCopy, Owners
from modules.students.events import CHANGED, ERASED, GONE
from modules.students.models import StudentDocument, StudentSnapshot
from modules.students.records.store import StudentNotFound

_FIELDS = ("roll_no", "branch", "version", "deleted_at")


class StudentCopy(OwnerCopy):
    """What a record stores of its student: the `_id`, and the fields that lists sort and filter by."""

    roll_no: str
    branch: str

    @classmethod
    def of(cls, student: StudentSnapshot) -> Self:
        """Return the copy of a student."""
        return cls._made(student.id, {field: getattr(student, field) for field in _FIELDS})

    @classmethod
    def stored(cls, student: Mapping[str, Any]) -> Self:
        """Return the copy of a student as stored."""
        return cls._made(student["_id"], student)

    @classmethod
    def _made(cls, key: Any, student: Mapping[str, Any]) -> Self:
        fields = {field: student[field] for field in cls.model_fields if field in _FIELDS}
        return cls(id=key, live=student["deleted_at"] is None, **fields)


async def _find(roll_nos: Collection[str]) -> dict[str, StudentCopy]:
    wanted = {"roll_no": {"$in": list(roll_nos)}, "erasing": None, "deleted_at": None}
    found = await collection(StudentDocument).find(wanted, _FIELDS).to_list(None)
    return {student["roll_no"]: StudentCopy.stored(student) for student in found}


async def _find_by_id(ids: Collection[ObjectId]) -> dict[ObjectId, StudentCopy]:
    wanted = {"_id": {"$in": list(ids)}, "erasing": None}
    found = await read_majority(StudentDocument).find(wanted, _FIELDS).to_list(None)
    return {student["_id"]: StudentCopy.stored(student) for student in found}


STUDENTS = Owners(
    name="student",
    orders=(("roll_no",), ("branch", "roll_no")),
    copy_of=StudentCopy.of,
    find=_find,
    find_by_id=_find_by_id,
    not_found=StudentNotFound,
    changed=CHANGED,
    erased=ERASED,
    gone=GONE,
)
"""Students, for records of other modules that belong to one: `Reference(Attendance, STUDENTS)`."""
