"""What can stand behind the question mark of an address."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from core.api import PageQuery
from modules.students.listing.filters import Selection
from modules.students.schemas import StudentRead

FIELDS = tuple(StudentRead.model_fields)

MAX_VERSION = 2**31 - 1


def _check_fields(fields: str | None) -> str | None:
    if fields is not None and not set(fields.split(",")) <= set(FIELDS):
        raise PydanticCustomError("fields", "Choose from {known}.", {"known": ", ".join(FIELDS)})
    return fields


class DeleteQuery(BaseModel):
    """How a student is deleted."""

    model_config = ConfigDict(extra="forbid")

    purge: Annotated[bool, Field(description="Erase the record and its history for good; for admins.")] = False


class RestoreQuery(BaseModel):
    """What a student is restored to."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[
        int | None,
        Field(ge=1, le=MAX_VERSION, description="Let name, branch and marks be what they were then.", examples=[1]),
    ] = None


class ChangesQuery(BaseModel):
    """Which part of the feed of changes."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[
        str | None,
        Field(
            max_length=200,
            description="`next` of the answer before; the first time, leave it out.",
            examples=["qYAdeA-PMA"],
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=500, description="The most students in one answer.")] = 100


class StudentQuery(Selection, PageQuery):
    """A page of a selection of students, and what to tell of each."""

    fields: Annotated[
        str | None,
        AfterValidator(_check_fields),
        Field(
            description="Only these fields of each student, joined by commas.",
            examples=["roll_no,name"],
            json_schema_extra={"pattern": rf"^({'|'.join(FIELDS)})(,({'|'.join(FIELDS)}))*$"},
        ),
    ] = None
    count: Annotated[bool, Field(description="Whether to answer with `Total-Count`, which takes time.")] = False

    @property
    def chosen(self) -> list[str]:
        """The fields to answer with."""
        names = FIELDS if self.fields is None else self.fields.split(",")
        return [field for field in FIELDS if field in names]
