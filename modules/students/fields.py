"""The types of student fields (roll number, subject, mark), with error messages for end users."""

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

from core.api import (
    Code,
    Composed,
    DocumentedPattern,
    Printable,
    printable_pattern,
    sentence_of,
    whole_printable_pattern,
)
from modules.students.settings import MAX_MARK, MarkSettings
from modules.students.subject_catalog.catalog import SubjectCatalog

MAX_SUBJECTS = 100

RollNo = Annotated[Code, Field(examples=["S101"])]
"""A student's roll number; safe in a URL path without percent-encoding."""


def _check_subject(subject: str) -> str:
    # MongoDB treats a leading `$` as an operator and a dot as a path separator.
    if subject.startswith("$"):
        raise PydanticCustomError("subject_dollar", "A subject cannot begin with '$'.")
    if "." in subject:
        raise PydanticCustomError("subject_dot", "A subject cannot contain a dot; write '-' or a space instead.")
    return subject


MAX_SUBJECT = 64


def subject_pattern(besides: str = "") -> str:
    """Return the pattern of a subject without the characters `besides`, for a longer pattern."""
    return printable_pattern(MAX_SUBJECT, besides=f".{besides}", first="$")


_WHOLE_SUBJECT = whole_printable_pattern(besides=".", first="$")

_SubjectKey = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_SUBJECT),
    Composed,
    Printable,
    AfterValidator(_check_subject),
    Field(examples=["math"]),
]

Subject = Annotated[_SubjectKey, DocumentedPattern(_WHOLE_SUBJECT)]
"""The subject of a mark: one line of 1 to 64 printable characters that is valid as a MongoDB key."""

_SUBJECT: TypeAdapter[str] = TypeAdapter(Subject)


def subject_of(text: str) -> str:
    """Validate the subject in a longer name, such as `marks.math`. Raise `PydanticCustomError` if it is invalid."""
    try:
        return _SUBJECT.validate_python(text)
    except ValidationError as error:
        first = error.errors()[0]
        context = {**first.get("ctx", {}), "why": sentence_of(first)}
        raise PydanticCustomError(first["type"], "{why}", context) from None


def check_mark(mark: Any) -> int | float:
    """Return a valid mark. Raise `PydanticCustomError` for any other value."""
    if isinstance(mark, bool) or not isinstance(mark, int | float):
        raise PydanticCustomError(
            "mark_type", "A mark must be a number, such as 85 or 72.5. Leave it out if there is none."
        )
    highest = MarkSettings.current().max
    if SubjectCatalog.current().highest_max > highest:  # the maximum of its subject is checked later
        highest = MAX_MARK
    if not 0 <= mark <= highest:  # also rejects NaN
        raise PydanticCustomError("mark_range", "A mark lies between 0 and {highest}.", {"highest": f"{highest:g}"})
    if isinstance(mark, float) and mark != round(mark, 2):
        raise PydanticCustomError("mark_decimals", "A mark can have at most two decimals.")
    return abs(mark)  # turns -0.0 into 0.0


class DocumentedMark:
    """JSON Schema of a mark, with the maximum from the settings."""

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        highest = MarkSettings.current().max
        return {
            "type": "number",
            "minimum": 0,
            "maximum": int(highest) if highest == int(highest) else highest,
            "examples": [40],
        }


Mark = Annotated[int | float, PlainValidator(check_mark), DocumentedMark()]
"""A finite number from 0 to `MARKS_MAX`, with at most two decimals. Integers stay integers.

If any subject has a higher maximum, marks up to `MAX_MARK` are accepted here, and checked by
`subject_catalog.mark_matching.match`."""


def check_number_of_subjects(marks: Mapping[str, Any]) -> None:
    """Raise `PydanticCustomError` if there are more than `MAX_SUBJECTS` subjects."""
    if len(marks) > MAX_SUBJECTS:
        raise PydanticCustomError("subjects", "This must have at most {most} entries.", {"most": MAX_SUBJECTS})


def _check_marks(marks: Any, check: ValidatorFunctionWrapHandler) -> dict[str, Any]:
    if isinstance(marks, dict):  # before each mark is validated, which takes time
        check_number_of_subjects(marks)
    checked: dict[str, Any] = check(marks)
    if len(checked) != len(marks):
        raise PydanticCustomError(
            "subject_twice",
            "Two subjects differ only in spaces or in the encoding of accents.",
        )
    return checked


# By default pydantic puts the pattern of the keys into `patternProperties`, which few clients support.
_SUBJECTS: JsonDict = {
    "maxProperties": MAX_SUBJECTS,
    "propertyNames": {"minLength": 1, "maxLength": MAX_SUBJECT, "pattern": _WHOLE_SUBJECT},
}

Marks = Annotated[
    dict[_SubjectKey, Mark],
    Field(
        json_schema_extra=_SUBJECTS,
        description="Marks by subject. Each is from 0 to the `max` of its subject, or `MARKS_MAX` (100 by default) if "
        "none is declared, with at most two decimals. A subject that is left out has no mark, which differs from a "
        "mark of 0.",
    ),
    WrapValidator(_check_marks),
]

MarksPatch = Annotated[
    dict[_SubjectKey, Mark | None],
    Field(
        json_schema_extra=_SUBJECTS,
        description="Marks by subject; null removes the mark. Subjects that are left out are not changed.",
    ),
    WrapValidator(_check_marks),
]
