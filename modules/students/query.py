"""What the list of students can be asked for."""

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from core.pagination import PageQuery
from modules.students.schemas import StudentRead
from modules.students.selection import Selection

FIELDS = tuple(StudentRead.model_fields)


def _check_fields(fields: str | None) -> str | None:
    if fields is not None and not set(fields.split(",")) <= set(FIELDS):
        raise PydanticCustomError("fields", "Choose from {known}.", {"known": ", ".join(FIELDS)})
    return fields


class StudentQuery(Selection, PageQuery):
    """A page of a selection of students, and what to tell of each."""

    fields: Annotated[
        str | None,
        AfterValidator(_check_fields),
        Field(description="Only these fields of each student, joined by commas.", examples=["roll_no,name"]),
    ] = None
    count: Annotated[bool, Query(description="Whether to answer with `Total-Count`, which takes time.")] = False

    @property
    def chosen(self) -> list[str]:
        """The fields to answer with."""
        names = FIELDS if self.fields is None else self.fields.split(",")
        return [field for field in FIELDS if field in names]
