"""What clients send and receive of a student."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from core.api import PrintableLine, RequestBody
from modules.students.fields import Mark, Marks, MarksPatch, RollNo
from modules.students.models import Action, StudentVersionData

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
_KEY = "b0c1k5yVdHV1c3RlZA"


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class _StudentContent(RequestBody):
    model_config = _example(_EXAMPLE)

    name: PrintableLine
    branch: PrintableLine
    marks: Marks = {}


class StudentCreate(_StudentContent):
    """A new student."""

    model_config = _example({"roll_no": "S101", **_EXAMPLE})

    roll_no: RollNo


def _optional(schema: dict[str, Any]) -> None:
    # May be left out, but not null: the default only stands for "left out", and must not be told.
    schema.pop("default")


def _left_out(description: str) -> Any:
    return Field(default=None, description=description, json_schema_extra=_optional)


_SAME_ROLL_NO = "May be left out; must equal the one in the address."


class StudentReplace(_StudentContent):
    """A whole record, in place of the one that is stored."""

    roll_no: RollNo = _left_out(_SAME_ROLL_NO)


class StudentPatch(RequestBody):
    """What is to change of a record (RFC 7396). Whatever is left out stays as it is."""

    model_config = _example({"marks": {"math": 93, "physics": None}})

    roll_no: RollNo = _left_out(_SAME_ROLL_NO)
    name: PrintableLine = _left_out("The new name.")
    branch: PrintableLine = _left_out("The new branch.")
    marks: MarksPatch = {}


class MarkWrite(RequestBody):
    """One mark."""

    model_config = _example({"mark": 93.5})

    mark: Mark


class Rename(RequestBody):
    """Another roll number for the same student."""

    model_config = _example({"roll_no": "S102"})

    roll_no: RollNo


class StudentRead(BaseModel):
    """A student, as the service keeps it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_READ_EXAMPLE]})

    roll_no: str
    name: str
    branch: str
    marks: dict[str, int | float]
    created_at: datetime
    updated_at: datetime


class StudentPart(BaseModel):
    """Those fields of a student that `fields` asked for."""

    model_config = _example({"roll_no": "S101", "name": "Asha Rao"})

    roll_no: str = _left_out("")
    name: str = _left_out("")
    branch: str = _left_out("")
    marks: dict[str, int | float] = _left_out("")
    created_at: datetime = _left_out("")
    updated_at: datetime = _left_out("")


class FieldChange(BaseModel):
    """One field that a version changed: `name`, `branch`, `roll_no` or `marks.<subject>`; null is no value."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_extra={"examples": [{"field": "marks.math", "from": 91, "to": 93}]},
    )

    field: str
    before: Annotated[str | int | float | None, Field(alias="from")]
    after: Annotated[str | int | float | None, Field(alias="to")]


class VersionSummary(BaseModel):
    """One version of a record: who made it, when, and what it changed."""

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
    source: Annotated[str | None, Field(description="What it was part of, such as an import.")]
    changes: list[FieldChange]


class VersionRead(BaseModel):
    """The whole record as one version left it. With `deleted`, the student was deleted then."""

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
        """The version that a stored record is."""
        return cls(
            version=record.version,
            action=record.action,
            at=record.updated_at,
            by=record.updated_by,
            deleted=record.deleted_at is not None,
            student=StudentRead.model_validate(record),
        )


class ChangedStudent(BaseModel):
    """A student who was created, changed or deleted: the newest state. `key` names the student for good, also when
    the roll number changes."""

    key: str
    roll_no: Annotated[str | None, Field(description="Null once the student has been erased.")]
    deleted: bool
    student: Annotated[StudentRead | None, Field(description="The whole record; null for a deleted student.")]


class ChangesRead(BaseModel):
    """What has changed since a token was given."""

    model_config = _example(
        {
            "changes": [
                {"key": _KEY, "roll_no": "S101", "deleted": False, "student": _READ_EXAMPLE},
                {"key": "Zm9yZ290dGVuIG9uZQ", "roll_no": "S7", "deleted": True, "student": None},
            ],
            "next": "eIm0sPZ3MTI",
            "more": False,
        }
    )

    changes: list[ChangedStudent]
    next: Annotated[str, Field(description="The token to ask with next time.")]
    more: Annotated[bool, Field(description="Whether there is more already: ask again at once.")]


class ErasureRead(BaseModel):
    """That a student was erased: when, by whom, and from where. Nothing tells who it was."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {"at": _TIMES["updated_at"], "who": "principal", "address": "192.0.2.7", "request_id": "b9f3c1a2d4e5"}
            ]
        },
    )

    at: datetime
    who: str
    address: str
    request_id: str
