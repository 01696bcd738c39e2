"""What clients send and receive of a student."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from core.request_body import RequestBody
from core.settings import current_settings
from core.text import Composed, Printable, PrintableLine, spoken

MAX_SUBJECTS = 100

_ROLL_NO_CHARACTERS = "A-Za-z0-9._-"


def _check_roll_no(roll_no: str) -> str:
    if strange := re.search(f"[^{_ROLL_NO_CHARACTERS}]", roll_no):
        raise PydanticCustomError(
            "roll_no_character",
            "A roll number is made of the letters A to Z, digits, '.', '_' and '-'. Write '-' instead of {strange}.",
            {"strange": spoken(strange.group())},
        )
    if roll_no in (".", ".."):
        raise PydanticCustomError(
            "roll_no_dots", "A roll number cannot be '.' or '..', which web addresses read as folders."
        )
    return roll_no


RollNo = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_check_roll_no),
    WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": 64, "pattern": rf"^(?!\.{{1,2}}$)[{_ROLL_NO_CHARACTERS}]+$"}
    ),
]
"""1 to 64 of ASCII letters, digits and `. _ -`: a roll number stands in an address as it is."""


def _check_subject(subject: str) -> str:
    # MongoDB reads a leading `$` and any dot in a key as its own language.
    if subject.startswith("$"):
        raise PydanticCustomError("subject_dollar", "A subject cannot begin with '$'.")
    if "." in subject:
        raise PydanticCustomError("subject_dot", "A subject cannot contain a dot; write '-' or a space instead.")
    return subject


Subject = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    Composed,
    Printable,
    AfterValidator(_check_subject),
]
"""What a mark is for: one line of 1 to 64 printable characters that MongoDB can hold as a key."""


def _check_mark(mark: Any) -> int | float:
    if isinstance(mark, bool) or not isinstance(mark, int | float):
        raise PydanticCustomError("mark_type", "A mark is a number, such as 85 or 72.5. Leave out what has no mark.")
    highest = current_settings().marks_max
    if not 0 <= mark <= highest:  # which NaN is not, either
        raise PydanticCustomError("mark_range", "A mark lies between 0 and {highest}.", {"highest": f"{highest:g}"})
    if isinstance(mark, float) and mark != round(mark, 2):
        raise PydanticCustomError("mark_decimals", "A mark has at most two decimals.")
    return abs(mark)  # what is left of the sign is that of -0.0


Mark = Annotated[int | float, PlainValidator(_check_mark), WithJsonSchema({"type": "number", "minimum": 0})]
"""A finite number from 0 to `MARKS_MAX`, with at most two decimals. Whole numbers stay whole."""


def _check_marks(marks: Any, check: ValidatorFunctionWrapHandler) -> dict[str, int | float]:
    if isinstance(marks, dict) and len(marks) > MAX_SUBJECTS:  # before anyone looks at each of them
        raise PydanticCustomError("subjects", "This must have at most {most} entries.", {"most": MAX_SUBJECTS})
    checked: dict[str, int | float] = check(marks)
    if len(checked) != len(marks):
        raise PydanticCustomError("subject_twice", "Two subjects have the same name once spaces are trimmed.")
    return checked


Marks = Annotated[
    dict[Subject, Mark],
    Field(
        json_schema_extra={"maxProperties": MAX_SUBJECTS},
        description="Subject to mark: from 0 to `MARKS_MAX` (100 by default), at most two decimals. "
        "A subject that is left out has no mark, which is not zero.",
    ),
    WrapValidator(_check_marks),
]

_EXAMPLE: dict[str, JsonValue] = {
    "name": "Asha Rao",
    "branch": "Computer Science",
    "marks": {"math": 91, "physics": 78.5},
}


class _StudentContent(RequestBody):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: PrintableLine
    branch: PrintableLine
    marks: Marks = {}


class StudentCreate(_StudentContent):
    """A new student."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"roll_no": "S101", **_EXAMPLE}]})

    roll_no: RollNo


class StudentReplace(_StudentContent):
    """A whole record, in place of the one that is stored."""

    roll_no: Annotated[RollNo | None, Field(description="May be left out; must equal the one in the address.")] = None


class StudentRead(BaseModel):
    """A student, as the service keeps it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "roll_no": "S101",
                    **_EXAMPLE,
                    "created_at": "2026-11-22T09:30:00.125000Z",
                    "updated_at": "2026-11-22T09:30:00.125000Z",
                }
            ]
        },
    )

    roll_no: str
    name: str
    branch: str
    marks: dict[str, int | float]
    created_at: datetime
    updated_at: datetime
