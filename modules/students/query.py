"""Query parameters of the routes of student records."""

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from core.api import Cursor, PageQuery
from modules.students.listing.filters import MAX_ROLL_NUMBERS, Selection
from modules.students.schemas import KEY, StudentFields, StudentListItem

FIELDS = tuple(StudentFields.model_fields)
"""The fields that a list returns by default."""

SELECTABLE = tuple(StudentListItem.model_fields)
"""The fields that a list can return."""

ETAG_FIELD = "etag"

MAX_VERSION = 2**31 - 1


def _check_fields(fields: str | None) -> str | None:
    if fields is not None and not set(fields.split(",")) <= set(SELECTABLE):
        raise PydanticCustomError("fields", "Choose fields from {known}.", {"known": ", ".join(SELECTABLE)})
    return fields


Holder = Annotated[
    str | None,
    Field(
        max_length=32,
        pattern="^[A-Za-z0-9_-]+$",
        description="The `key` of a former holder of the roll number, if that one is meant, as in "
        "`GET /students/{roll_no}/former`. Requires the role `admin`.",
        examples=[KEY],
    ),
]


class HolderQuery(BaseModel):
    """The query parameter that names a former holder of a roll number."""

    model_config = ConfigDict(extra="forbid")

    holder: Holder = None


class HistoryQuery(HolderQuery, PageQuery):
    """Query parameters of a history."""


class DeleteQuery(HolderQuery):
    """Query parameters of a deletion."""

    purge: Annotated[
        bool,
        Field(
            validate_default=True,
            description="Erase the record and its history permanently. Requires the role `admin`.",
        ),
    ] = False

    @field_validator("purge")
    @classmethod
    def _check_purge(cls, purge: bool, info: ValidationInfo) -> bool:
        if info.data.get("holder") and not purge:
            raise PydanticCustomError("holder_purge", "A former holder is deleted already; add purge=true to erase it.")
        return purge


class RestoreQuery(HolderQuery):
    """Query parameters of a restoration."""

    version: Annotated[
        int | None,
        Field(ge=1, le=MAX_VERSION, description="The version whose name, branch and marks to restore.", examples=[1]),
    ] = None


class ChangesQuery(BaseModel):
    """Query parameters of the feed of changes."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[
        Cursor | None,
        Field(
            description="The `next` token of the previous response; leave it out of the first request.",
            examples=["qYAdeA-PMA"],
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=500, description="The maximum number of students in the response.")] = 100


class StudentQuery(Selection, PageQuery):
    """Query parameters of the list of students: filters, sort order, page and fields."""

    fields: Annotated[
        str | None,
        AfterValidator(_check_fields),
        Field(
            description="The fields of each student to return, separated by commas. By default all except `etag`, "
            "which is the value to send as `If-Match` when you change the student. Any selection is valid, such as "
            "`roll_no,name`. Clients that are generated from this document expect at least the default fields, so the "
            "document lists only the selection that adds `etag` to them.",
            json_schema_extra={"enum": [",".join(SELECTABLE)]},
        ),
    ] = None
    count: Annotated[
        bool,
        Field(
            description="Return the number of matching students as `Total-Count`. Takes longer the more students match."
        ),
    ] = False

    @model_validator(mode="after")
    def _fit_roll_numbers(self) -> Self:
        """Return all requested roll numbers on one page, unless the request has another `limit`."""
        if self.roll_no and "limit" not in self.model_fields_set:
            self.limit = MAX_ROLL_NUMBERS
        return self

    @property
    def chosen(self) -> list[str]:
        """The fields to return, in the order of `StudentListItem`."""
        names = FIELDS if self.fields is None else self.fields.split(",")
        return [field for field in SELECTABLE if field in names]

    @property
    def stored(self) -> list[str]:
        """The stored fields that the fields to return are made from."""
        made_from = {ETAG_FIELD: ("_id", "version")}
        return [name for field in self.chosen for name in made_from.get(field, (field,))]
