"""Request and response bodies of the routes of student records."""

from collections.abc import Mapping
from datetime import datetime
from operator import not_
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.api import ETAG_EXAMPLE, PrintableLine, RequestBody
from modules.students.fields import Mark, Marks, MarksPatch, RollNo
from modules.students.models import Action, Erased, Erasing, StudentSnapshot, StudentVersionData, public_key

_EXAMPLE: dict[str, JsonValue] = {
    "name": "Asha Rao",
    "branch": "Computer Science",
    "marks": {"math": 91, "physics": 78.5},
}
_TIMES: dict[str, JsonValue] = {
    "created_at": "2026-11-22T09:30:00.125000Z",
    "updated_at": "2026-11-22T09:30:00.125000Z",
}
_READ_EXAMPLE: dict[str, JsonValue] = {"roll_no": "S101", **_EXAMPLE, **_TIMES}
KEY = "b0c1k5yVdHV1c3RlZA"
ERASURE_ID_EXAMPLE = "bm9ib2R5LWlzLWhl"
_ERASURE_EXAMPLE: dict[str, JsonValue] = {
    "erasure_id": ERASURE_ID_EXAMPLE,
    "at": _TIMES["updated_at"],
    "who": "principal",
    "address": "192.0.2.7",
    "request_id": "b9f3c1a2d4e5",
}


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class _StudentBody(RequestBody):
    read_only: ClassVar[Mapping[str, Any]] = {
        "created_at": datetime,
        "updated_at": datetime,
        "etag": str,
        "stored_as": dict[str, str],
    }


class _StudentContent(_StudentBody):
    model_config = _example(_EXAMPLE)

    name: PrintableLine
    branch: PrintableLine
    marks: Marks = {}


class StudentCreate(_StudentContent):
    """A new student."""

    model_config = _example({"roll_no": "S101", **_EXAMPLE})

    roll_no: RollNo


def _optional_field(description: str, **extra: JsonValue) -> Any:
    # The field is optional but not nullable: its default None only means "left out", and is not documented.
    return Field(default=None, description=description, json_schema_extra=extra)


_SAME_ROLL_NO = "Optional. Must equal the roll number in the URL."


class StudentReplace(_StudentContent):
    """The complete record that replaces the stored one."""

    roll_no: RollNo = _optional_field(_SAME_ROLL_NO)


class StudentPatch(_StudentBody):
    """A JSON merge patch (RFC 7396). Fields that are left out are not changed."""

    model_config = _example({"marks": {"math": 93, "art": 60, "physics": None}})

    roll_no: RollNo = _optional_field(_SAME_ROLL_NO)
    name: PrintableLine = _optional_field("The new name.")
    branch: PrintableLine = _optional_field("The new branch.")
    marks: MarksPatch = {}


class MarkWrite(RequestBody):
    """One mark."""

    model_config = _example({"mark": 93.5})

    mark: Mark


class Rename(RequestBody):
    """The new roll number of a student."""

    model_config = _example({"roll_no": "S102"})

    roll_no: RollNo


class StudentFields(BaseModel):
    """The fields of a student that are always there."""

    roll_no: str
    name: str
    branch: str
    marks: dict[str, int | float]
    created_at: Annotated[datetime, Field(json_schema_extra={"readOnly": True})]
    updated_at: Annotated[datetime, Field(json_schema_extra={"readOnly": True})]


class StudentRead(StudentFields):
    """A student."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_READ_EXAMPLE]})

    stored_as: dict[str, str] = Field(
        default={},
        exclude_if=not_,
        description="After a write, the stored name of each subject that the request wrote otherwise: in another case "
        "or Unicode form, or by an alias. Left out if there is none.",
        json_schema_extra={"readOnly": True},
    )


class StudentListItem(StudentFields):
    """A student in a list."""

    model_config = _example(_READ_EXAMPLE | {"etag": ETAG_EXAMPLE})

    etag: str = _optional_field(
        "The student's `ETag`, to be sent as `If-Match`. It is there if `fields` names it.", readOnly=True
    )


class FieldChange(BaseModel):
    """A field that a version changed: `name`, `branch`, `roll_no` or `marks.<subject>`. Null means no value."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_extra={"examples": [{"field": "marks.math", "from": 91, "to": 93}]},
    )

    field: str
    before: Annotated[str | int | float | None, Field(alias="from")]
    after: Annotated[str | int | float | None, Field(alias="to")]


class VersionSummary(BaseModel):
    """A version of a record: its author, its time and its changes."""

    model_config = _example(
        {
            "version": 2,
            "action": "updated",
            "at": "2026-11-22T09:31:00.250000Z",
            "by": "alice",
            "source": None,
            "changes": [{"field": "marks.math", "from": 91, "to": 93}],
        }
    )

    version: int
    action: Action
    at: datetime
    by: str
    source: Annotated[
        str | None,
        Field(description="The operation on several students, such as an import, that created this version."),
    ]
    changes: list[FieldChange]


class VersionRead(BaseModel):
    """The complete record in one version. If `deleted` is true, this version deleted the student."""

    model_config = _example(
        {
            "version": 2,
            "action": "updated",
            "at": "2026-11-22T09:31:00.250000Z",
            "by": "alice",
            "deleted": False,
            "student": _READ_EXAMPLE,
        }
    )

    version: int
    action: Action
    at: datetime
    by: str
    deleted: bool
    student: StudentRead

    @classmethod
    def of(cls, record: StudentVersionData) -> Self:
        """Return the representation of a stored version."""
        return cls(
            version=record.version,
            action=record.action,
            at=record.updated_at,
            by=record.updated_by,
            deleted=record.deleted_at is not None,
            student=StudentRead.model_validate(record),
        )


class FormerHolder(BaseModel):
    """A deleted student whose roll number was given to another student."""

    model_config = _example(
        {
            "key": KEY,
            "roll_no": "S101",
            "name": "Asha Rao",
            "branch": "Computer Science",
            "created_at": _TIMES["created_at"],
            "deleted_at": _TIMES["updated_at"],
        }
    )

    key: Annotated[str, Field(description="Identifies the student permanently, as in `GET /changes`.")]
    roll_no: str
    name: str
    branch: str
    created_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, student: StudentSnapshot) -> Self:
        """Return the representation of a stored student."""
        assert student.id, "only a stored record has a key"
        fields = student.model_dump(include=set(cls.model_fields))
        return cls(key=public_key(student.id), **fields)


class ChangedStudent(BaseModel):
    """The current state of a student who was created, changed or deleted.

    `key` identifies the student permanently, even if the roll number changes.
    """

    key: str
    roll_no: Annotated[str | None, Field(description="Null if the student has been erased.")]
    deleted: bool
    student: Annotated[StudentRead | None, Field(description="The complete record; null if the student is deleted.")]


class ChangesRead(BaseModel):
    """The students who changed since a token was issued."""

    model_config = _example(
        {
            "changes": [
                {"key": KEY, "roll_no": "S101", "deleted": False, "student": _READ_EXAMPLE},
                {"key": "Zm9yZ290dGVuIG9uZQ", "roll_no": "S7", "deleted": True, "student": None},
            ],
            "next": "eIm0sPZ3MTI",
            "more": False,
        }
    )

    changes: list[ChangedStudent]
    next: Annotated[str, Field(description="The token to send as `since` in the next request.")]
    more: Annotated[bool, Field(description="Whether more changes are available now: request them immediately.")]


class ErasureRead(BaseModel):
    """An erasure: its time, user, client address and request id. It does not identify the student."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ERASURE_EXAMPLE]})

    erasure_id: Annotated[str | None, Field(description="Null if a version before 0.3 made the erasure.")]
    at: datetime
    who: str
    address: str
    request_id: str


class ErasureStatus(ErasureRead):
    """An erasure, and whether it is finished. It does not identify the student."""

    model_config = _example({**_ERASURE_EXAMPLE, "finished": False, "waits_for": ["courses"]})

    finished: Annotated[bool, Field(description="Whether all data of the student has been deleted.")]
    waits_for: Annotated[
        list[str], Field(description="The modules of the service that have not deleted their data of the student yet.")
    ]

    @classmethod
    def of(cls, erasure: Erased) -> Self:
        """Return the representation of a stored erasure."""
        waits_for = erasure.waits_for if isinstance(erasure, Erasing) else []
        common = erasure.model_dump(include=set(ErasureRead.model_fields))
        return cls(**common, finished=not isinstance(erasure, Erasing), waits_for=waits_for)
