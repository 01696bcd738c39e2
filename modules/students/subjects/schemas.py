"""Request and response bodies of the routes of subjects."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StrictBool,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from core.api import PrintableLine, RequestBody
from modules.students.fields import Subject
from modules.students.settings import MAX_MARK
from modules.students.subject_catalog.models import (
    UNORDERED,
    ConflictRule,
    MergedStudent,
    OperationKind,
    OperationState,
    SubjectOperation,
)
from modules.students.subject_catalog.models import Subject as SubjectDocument

_EXAMPLE: dict[str, JsonValue] = {
    "title": "Mathematics",
    "max": 100,
    "order": 1,
    "aliases": ["maths"],
    "counts_in_total": True,
}
_TIMES: dict[str, JsonValue] = {
    "created_at": "2026-11-22T09:30:00.125000Z",
    "updated_at": "2026-11-22T09:30:00.125000Z",
}
_READ_EXAMPLE: dict[str, JsonValue] = {"name": "math", **_EXAMPLE, "declared": True, **_TIMES}

_CHANGE_EXAMPLE: dict[str, JsonValue] = {"at": _TIMES["updated_at"], "by": "alice", "what": "max: null → 20"}


def _check_number(value: Any) -> Any:
    # JSON Schema takes 1.0 for an integer, so a strict type would refuse too much; other types are not converted.
    if isinstance(value, bool | str):
        raise PydanticKnownError("int_type")
    return value


_Order = Annotated[int, Field(ge=0, lt=UNORDERED), BeforeValidator(_check_number)]

MAX_ALIASES = 20
"""How many aliases a subject can be declared with. Renaming and merging may make more, which can be sent back."""

_MAX_SENT_ALIASES = 1000


def _check_max(value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_MARK:
        raise PydanticCustomError(
            "subject_max", "This must be a number above 0 and up to {most}.", {"most": f"{MAX_MARK:,}"}
        )
    if isinstance(value, float) and value != round(value, 2):
        raise PydanticCustomError("mark_decimals", "A mark can have at most two decimals.")
    return value


_MAX_SCHEMA = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MAX_MARK}, {"type": "null"}],
    "examples": [20],
}


class SubjectWrite(RequestBody):
    """What is declared about a subject. A field that is left out, or null, gets its default."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    read_only: ClassVar[Mapping[str, Any]] = {
        "declared": bool,
        "students": int,
        "changes": list[dict[str, Any]],
        "created_at": datetime,
        "updated_at": datetime,
    }

    name: Annotated[
        Subject | None,
        Field(description="Optional. Must be the subject in the URL, in any spelling, or an alias of it."),
    ] = None
    title: Annotated[PrintableLine | None, Field(description="How people call the subject, for reports.")] = None
    max: Annotated[
        int | float | None,
        PlainValidator(_check_max),
        WithJsonSchema(_MAX_SCHEMA),
        Field(description="The highest mark, with at most two decimals; null for `MARKS_MAX`."),
    ] = None
    order: Annotated[
        _Order | None,
        Field(description="The place in lists, statistics and exports; subjects without one follow, sorted by name."),
    ] = None
    aliases: Annotated[
        list[Subject] | None,
        Field(
            max_length=_MAX_SENT_ALIASES,
            description="Other names, which are understood wherever a subject is written. Case and Unicode form do not "
            f"matter: those need no alias. Up to {MAX_ALIASES}, or those that the subject has already.",
        ),
    ] = None
    counts_in_total: Annotated[
        StrictBool | None, Field(description="Whether marks are part of a student's total: `true` by default.")
    ] = None


class SubjectRead(BaseModel):
    """A subject. `name` is the spelling under which marks are stored."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_READ_EXAMPLE]})

    name: str
    title: str | None
    max: Annotated[int | float | None, Field(description="The highest mark; null for `MARKS_MAX`.")]
    order: int | None
    aliases: list[str]
    counts_in_total: bool
    declared: Annotated[bool, Field(description="Whether somebody has described the subject with `PUT`.")]
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, subject: SubjectDocument, **further: Any) -> Self:
        """Return the representation of a stored subject."""
        fields = {name: getattr(subject, name) for name in SubjectRead.model_fields}
        return cls(**{**fields, "order": None if subject.order == UNORDERED else subject.order}, **further)


class ListedSubject(SubjectRead):
    """A subject in a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ_EXAMPLE, "students": 1905}]})

    students: Annotated[int, Field(description="The number of students with a mark in this subject.")]


class SubjectChangeRead(BaseModel):
    """One change of a subject."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [_CHANGE_EXAMPLE]},
    )

    at: datetime
    by: str
    what: str


class SubjectDetails(SubjectRead):
    """A subject, with its newest changes. Only what a change of the subject changes is part of it, so that its `ETag`
    stands for all of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_READ_EXAMPLE, "changes": [_CHANGE_EXAMPLE]}]})

    changes: Annotated[list[SubjectChangeRead], Field(description="What was changed, newest first.")]


OPERATION_ID_EXAMPLE = "6a21c1e3f0b7d2a5c4e89b10"
_OPERATION_EXAMPLE: dict[str, JsonValue] = {
    "operation_id": OPERATION_ID_EXAMPLE,
    "kind": "merge",
    "state": "running",
    "subject": "physics",
    "target": "math",
    "on_conflict": "highest",
    "by": "alice",
    "undone_by": None,
    "detail": None,
    "total": 1905,
    "changed": 500,
    "conflicts": 1,
    "restored": 0,
    "kept": 0,
    "created_at": _TIMES["created_at"],
    "finished_at": None,
}
_CONFLICT_EXAMPLE: dict[str, JsonValue] = {"roll_no": "S101", "into": 91, "from": 88, "kept": 91}


class SubjectRename(RequestBody):
    """The new name of a subject."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "fine art"}]})

    to: Subject


class SubjectMerge(RequestBody):
    """The subject that another one is merged into."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "math", "on_conflict": "highest"}]})

    into: Subject
    on_conflict: Annotated[
        ConflictRule | None,
        Field(
            description="Which mark a student keeps who has one in both: that in the subject that stays (`into`), that "
            "in the one that goes (`from`), the higher one or the lower one. Without it, nothing is merged if there "
            "are such students."
        ),
    ] = None


class SubjectOperationRead(BaseModel):
    """The renaming of a subject, or the merging of one into another, and how far it has come."""

    model_config = ConfigDict(json_schema_extra={"examples": [_OPERATION_EXAMPLE]})

    operation_id: str
    kind: OperationKind
    state: OperationState
    subject: Annotated[str, Field(description="The name that goes.")]
    target: Annotated[str, Field(description="The name that stays.")]
    on_conflict: ConflictRule | None
    by: str
    undone_by: str | None
    detail: Annotated[str | None, Field(description="Why the operation failed.")]
    total: Annotated[int, Field(description="The number of students with a mark in `subject` at the beginning.")]
    changed: Annotated[int, Field(description="How many of them the operation has changed so far.")]
    conflicts: Annotated[int, Field(description="How many of these had a mark in both subjects.")]
    restored: Annotated[int, Field(description="How many students an undo has given their earlier marks back.")]
    kept: Annotated[int, Field(description="How many an undo has left, because they had been changed since.")]
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: SubjectOperation, **further: Any) -> Self:
        """Return the representation of an operation."""
        fields = {
            name: getattr(operation, name) for name in SubjectOperationRead.model_fields if name != "operation_id"
        }
        return cls(operation_id=str(operation.id), **fields, **further)


class SubjectConflict(BaseModel):
    """A student who had a mark in both of two merged subjects, and which one was kept."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_extra={"examples": [_CONFLICT_EXAMPLE]},
    )

    roll_no: str
    into: int | float
    from_mark: Annotated[int | float, Field(alias="from")]
    kept: int | float

    @classmethod
    def of(cls, roll_no: str, student: MergedStudent) -> Self:
        """Return the representation of a logged student who had both marks."""
        return cls.model_validate({"roll_no": roll_no, **student.model_dump(include={"into", "from_mark", "kept"})})


class SubjectOperationDetails(SubjectOperationRead):
    """An operation, with the students who had a mark in both subjects."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_OPERATION_EXAMPLE, "students": [_CONFLICT_EXAMPLE]}]})

    students: Annotated[
        list[SubjectConflict],
        Field(description="The students who had a mark in both subjects, up to 500 of them, by roll number."),
    ]
