"""Request and response bodies of merging two records."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainValidator, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from core.api import RequestBody
from modules.students.fields import MAX_SUBJECTS, DocumentedMark, RollNo, check_mark

Value = str | int | float


def _check_choice(choice: Any) -> Value:
    return str(choice) if choice in ("into", "from") else check_mark(choice)


class _DocumentedChoice:
    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mark = DocumentedMark().__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [{"type": "string", "enum": ["into", "from"]}, mark]}


Choice = Annotated[Literal["into", "from"] | int | float, PlainValidator(_check_choice), _DocumentedChoice()]
"""Which of two values to keep: that of the record that is merged `into`, that of the other one (`from`), or a mark."""


class StudentMerge(RequestBody):
    """The record to merge into, and the values to keep where the two differ."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "S102"}]})

    into: RollNo
    choose: Annotated[
        dict[Annotated[str, StringConstraints(max_length=80)], Choice],
        Field(
            max_length=MAX_SUBJECTS + 2,
            examples=[{"marks.math": "into", "name": "from"}],
            description="For each field that both records have with different values (`name`, `branch` or "
            "`marks.SUBJECT`, in any spelling), whether to keep the value of the record that is merged `into`, or that "
            "of this record (`from`); or for a mark, another mark. Fields that do not differ are refused.",
        ),
    ] = {}


class FieldConflict(BaseModel):
    """A field that two records have with different values."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_extra={"examples": [{"field": "marks.math", "into": 91, "from": 78.5}]},
    )

    field: str
    into: Annotated[Value, Field(description="The value of the record that is merged into.")]
    from_: Annotated[Value, Field(alias="from", description="The value of the record that is merged.")]


class MergeProblem(BaseModel):
    """A problem document with the fields that two records have with different values."""

    conflicts: list[FieldConflict]
