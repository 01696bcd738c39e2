"""The parameters `marks.SUBJECT.gte` and the like, whose names are not known in advance."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidatorFunctionWrapHandler, WithJsonSchema, WrapValidator
from pydantic_core import PydanticCustomError

from modules.students.fields import subject_of, subject_pattern

MAX_BOUNDS = 20
MAX_BOUND = 999_999_999

BOUNDS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
"""The operator of each bound."""

_HOW_TO_BOUND = "Write marks.SUBJECT.gte, marks.SUBJECT.gt, marks.SUBJECT.lte or marks.SUBJECT.lt."


def _check_bound_name(name: str) -> str:
    subject, _, bound = name.rpartition(".")
    if bound not in BOUNDS:
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    return f"{subject_of(subject)}.{bound}"


def _check_bounds(bounds: Any, check: ValidatorFunctionWrapHandler) -> dict[str, float]:
    if not isinstance(bounds, dict):  # the parameter is just `marks`
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    checked: dict[str, float] = check(bounds)
    if len(checked) != len(bounds):
        raise PydanticCustomError("bound_twice", "Two of these differ only in spaces or in the encoding of accents.")
    return checked


def check_bound(value: Any) -> float:
    """Return the number that a mark is compared with. Raise `PydanticCustomError` if it is not one."""
    is_number = isinstance(value, str) and re.fullmatch(r"-?\d{1,9}(\.\d{1,40})?([eE]-?\d{1,3})?", value, re.ASCII)
    if not is_number or abs(float(value)) > MAX_BOUND:
        raise PydanticCustomError("bound_value", "This must be a single number, such as 40 or 72.5.")
    return float(value)


_BOUND = {"type": "number", "minimum": -MAX_BOUND, "maximum": MAX_BOUND}
_MARK_BOUNDS = {
    "type": "object",
    "patternProperties": {rf"^marks\.{subject_pattern()}\.({'|'.join(BOUNDS)})$": _BOUND},
    "additionalProperties": False,
    "maxProperties": MAX_BOUNDS,
    "examples": [{"marks.math.gte": 40}],
}

MarkBounds = Annotated[
    dict[Annotated[str, AfterValidator(_check_bound_name)], Annotated[float, PlainValidator(check_bound)]],
    Field(
        max_length=MAX_BOUNDS,
        description="Only students whose mark in a subject is at least (`gte`), above (`gt`), at most (`lte`) or below "
        "(`lt`) a number. Each bound is a separate parameter: `marks.math.gte=40` is the same as "
        "`where=marks.math>=40`, which every client can send.",
    ),
    WrapValidator(_check_bounds),
    WithJsonSchema(_MARK_BOUNDS),
]
