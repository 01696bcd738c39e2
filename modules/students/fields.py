"""The kinds of values that records are made of, with errors for the person who mistyped one."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from core.api import Code, Composed, DocumentedPattern, Printable, sentence_of
from modules.students.settings import MarkSettings

MAX_SUBJECTS = 100

RollNo = Annotated[Code, Field(examples=["S101"])]
"""What names a student, in an address as it is."""


def _check_subject(subject: str) -> str:
    # MongoDB reads a leading `$` and any dot in a key as its own language.
    if subject.startswith("$"):
        raise PydanticCustomError("subject_dollar", "A subject cannot begin with '$'.")
    if "." in subject:
        raise PydanticCustomError("subject_dot", "A subject cannot contain a dot; write '-' or a space instead.")
    return subject


# Within the text, and so without trimming.
SUBJECT_PATTERN = r"[^\s$.\x00-\x1f\x7f-\x9f]([^.\x00-\x1f\x7f-\x9f]{0,62}[^\s.\x00-\x1f\x7f-\x9f])?"

_WHOLE_SUBJECT = rf"^\s*{SUBJECT_PATTERN}\s*$"

_SubjectKey = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    Composed,
    Printable,
    AfterValidator(_check_subject),
    Field(examples=["math"]),
]

Subject = Annotated[_SubjectKey, DocumentedPattern(_WHOLE_SUBJECT)]
"""What a mark is for: one line of 1 to 64 printable characters that MongoDB can hold as a key."""

_SUBJECT: TypeAdapter[str] = TypeAdapter(Subject)


def subject_of(text: str) -> str:
    """A subject out of a longer name, such as `marks.math`; raises `PydanticCustomError` if it is none."""
    try:
        return _SUBJECT.validate_python(text)
    except ValidationError as error:
        raise PydanticCustomError("subject", "{why}", {"why": sentence_of(error.errors()[0])}) from None


def _check_mark(mark: Any) -> int | float:
    if isinstance(mark, bool) or not isinstance(mark, int | float):
        raise PydanticCustomError("mark_type", "A mark is a number, such as 85 or 72.5. What has no mark is left out.")
    highest = MarkSettings.current().max
    if not 0 <= mark <= highest:  # which NaN is not, either
        raise PydanticCustomError("mark_range", "A mark lies between 0 and {highest}.", {"highest": f"{highest:g}"})
    if isinstance(mark, float) and mark != round(mark, 2):
        raise PydanticCustomError("mark_decimals", "A mark has at most two decimals.")
    return abs(mark)  # what is left of the sign is that of -0.0


class DocumentedMark:
    """Documents a mark, up to the highest one that the settings allow."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        highest = MarkSettings.current().max
        return {
            "type": "number",
            "minimum": 0,
            "maximum": int(highest) if highest == int(highest) else highest,
            "examples": [40],
        }


Mark = Annotated[int | float, PlainValidator(_check_mark), DocumentedMark()]
"""A finite number from 0 to `MARKS_MAX`, with at most two decimals. Whole numbers stay whole."""


def check_number_of_subjects(marks: Mapping[str, Any]) -> None:
    """Raise `PydanticCustomError` for more subjects than a record may have."""
    if len(marks) > MAX_SUBJECTS:
        raise PydanticCustomError("subjects", "This must have at most {most} entries.", {"most": MAX_SUBJECTS})


def _check_marks(marks: Any, check: ValidatorFunctionWrapHandler) -> dict[str, Any]:
    if isinstance(marks, dict):  # before anyone looks at each of them
        check_number_of_subjects(marks)
    checked: dict[str, Any] = check(marks)
    if len(checked) != len(marks):
        raise PydanticCustomError("subject_twice", "Two subjects have the same name, but for spaces or accents.")
    return checked


# The generator would make a pattern of the keys into `patternProperties`, which few programs understand.
_SUBJECTS: JsonDict = {
    "maxProperties": MAX_SUBJECTS,
    "propertyNames": {"minLength": 1, "maxLength": 64, "pattern": _WHOLE_SUBJECT},
}

Marks = Annotated[
    dict[_SubjectKey, Mark],
    Field(
        json_schema_extra=_SUBJECTS,
        description="Subject to mark: from 0 to `MARKS_MAX` (100 by default), at most two decimals. "
        "A subject that is left out has no mark, which is not zero.",
    ),
    WrapValidator(_check_marks),
]

MarksPatch = Annotated[
    dict[_SubjectKey, Mark | None],
    Field(
        json_schema_extra=_SUBJECTS,
        description="Subject to mark; null takes the mark away. Subjects that are left out stay as they are.",
    ),
    WrapValidator(_check_marks),
]
