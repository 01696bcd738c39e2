"""Filters and sort order of a list of students: validation of the parameters, and translation to MongoDB queries."""

import json
import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from core.api import PrintableLine
from core.database import Filter, Order
from modules.students.fields import Subject, subject_of, subject_pattern
from modules.students.listing.sorting import MARKS, SORT_PATTERN, check_sort, in_utc, order_of
from modules.students.search_terms import words_of

MAX_WORDS = 10
# A word can have several parts, such as the two of "½".
_MAX_PARTS = 15
MAX_BOUNDS = 20

_BOUNDS = ("gte", "gt", "lte", "lt")
_HOW_TO_BOUND = "Write marks.SUBJECT.gte, marks.SUBJECT.gt, marks.SUBJECT.lte or marks.SUBJECT.lt."


def _check_bound_name(name: str) -> str:
    subject, _, bound = name.rpartition(".")
    if bound not in _BOUNDS:
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    return f"{subject_of(subject)}.{bound}"


def _check_bounds(bounds: Any, check: ValidatorFunctionWrapHandler) -> dict[str, float]:
    if not isinstance(bounds, dict):  # the parameter is just `marks`
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    checked: dict[str, float] = check(bounds)
    if len(checked) != len(bounds):
        raise PydanticCustomError("bound_twice", "Two of these differ only in spaces or in the encoding of accents.")
    return checked


MAX_BOUND = 999_999_999


def _check_bound(value: Any) -> float:
    is_number = isinstance(value, str) and re.fullmatch(r"-?\d{1,9}(\.\d{1,40})?([eE]-?\d{1,3})?", value, re.ASCII)
    if not is_number or abs(float(value)) > MAX_BOUND:
        raise PydanticCustomError("bound_value", "This must be a single number, such as 40 or 72.5.")
    return float(value)


_BOUND = {"type": "number", "minimum": -MAX_BOUND, "maximum": MAX_BOUND}
_MARK_BOUNDS = {
    "type": "object",
    "patternProperties": {rf"^marks\.{subject_pattern()}\.(gte|gt|lte|lt)$": _BOUND},
    "additionalProperties": False,
    "maxProperties": MAX_BOUNDS,
    "examples": [{"marks.math.gte": 40}],
}

MarkBounds = Annotated[
    dict[Annotated[str, AfterValidator(_check_bound_name)], Annotated[float, PlainValidator(_check_bound)]],
    Field(
        max_length=MAX_BOUNDS,
        description="Only students whose mark in a subject is at least (`gte`), above (`gt`), at most (`lte`) or below "
        "(`lt`) a number. Each bound is a separate parameter, such as `marks.math.gte=40`.",
    ),
    WrapValidator(_check_bounds),
    WithJsonSchema(_MARK_BOUNDS),
]


def _as_time(text: Any) -> Any:
    """Reject numbers, and restore the plus sign of `…+01:00` if the client did not percent-encode it."""
    if isinstance(text, str) and re.fullmatch(r"[-+]?[\d.]+", text):  # pydantic would read it as seconds since 1970
        raise PydanticCustomError("datetime_parsing", "A number is not a time.")
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if isinstance(text, str) else text


Moment = Annotated[AwareDatetime, BeforeValidator(_as_time), AfterValidator(in_utc)]


# Which of all characters are letters is more than a portable pattern can say. These are not; any other will do.
_NO_LETTERS = r"\x00-/:-@\[-`{-\xa9\xab-\xb1\xb4\xb6-\xb8\xbb\xbf\xd7\xf7\u2000-\u206f\u3000-\u3003"
_QUERY_PATTERN = (
    rf"^[{_NO_LETTERS}]*[^{_NO_LETTERS}]+([{_NO_LETTERS}]+[^{_NO_LETTERS}]+){{0,{MAX_WORDS - 1}}}[{_NO_LETTERS}]*$"
)


def _check_query(text: str | None) -> str | None:
    if text is not None and not re.search(f"[^{_NO_LETTERS}]", text):
        raise PydanticCustomError("no_words", "Search for at least one letter or digit.")
    if text is not None and not (re.search(_QUERY_PATTERN, text) and len(words_of(text)) <= _MAX_PARTS):
        raise PydanticCustomError("many_words", "Search for at most {most} words.", {"most": MAX_WORDS})
    return text


_NOTHING: Filter = {"keys.words": {"$in": []}}


class Selection(BaseModel):
    """Filters and sort order of a list of students. A student must match all filters."""

    model_config = ConfigDict(extra="forbid")

    sort: Annotated[
        str,
        StringConstraints(max_length=200),
        AfterValidator(check_sort),
        Field(
            description="One or two of `roll_no`, `name`, `branch`, `created_at`, `updated_at` and `marks.SUBJECT`, "
            "separated by a comma; prefix `-` for descending order. Ties are sorted by roll number. A missing mark is "
            "lower than any mark. Text is sorted by code point, so upper case comes first.",
            examples=["-marks.math,name"],
            json_schema_extra={"pattern": SORT_PATTERN},
        ),
    ] = "roll_no"
    branch: Annotated[
        list[PrintableLine],
        Field(
            max_length=20,
            description="Only students in this branch. Repeatable.",
            examples=[["Physics"]],
        ),
    ] = []
    marks: MarkBounds = {}
    missing: Annotated[
        list[Subject],
        Field(max_length=20, description="Only students without a mark in this subject. Repeatable."),
    ] = []
    updated_since: Annotated[
        Moment | None,
        Field(description="Only students that were changed at this time or later.", examples=["2026-11-22T09:30:00Z"]),
    ] = None
    q: Annotated[
        str | None,
        StringConstraints(max_length=200),
        AfterValidator(_check_query),
        Field(
            description="Search terms. Each must be a prefix of a word in the name or the roll number; case and "
            "accents are ignored.",
            examples=["ash rao"],
            json_schema_extra={"pattern": _QUERY_PATTERN},
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _gather_mark_bounds(cls, data: Any) -> Any:
        """Collect the parameters `marks.…`, whose names are not known in advance, into one field."""
        if not isinstance(data, dict):
            return data
        bounds = {name.removeprefix(MARKS): value for name, value in data.items() if name.startswith(MARKS)}
        others = {name: value for name, value in data.items() if not name.startswith(MARKS)}
        return others | {"marks": bounds} if bounds else others

    @property
    def name(self) -> str:
        """A key that identifies this selection; equal selections have equal keys."""
        return json.dumps(self.model_dump(mode="json", include=set(Selection.model_fields)), sort_keys=True)

    @property
    def order(self) -> Order:
        """The order of the list."""
        return order_of(self.sort)

    @property
    def filter(self) -> Filter:
        """The MongoDB query of all filters except `missing`."""
        # A deleted student has no search terms, so a search does not need to filter by `keys.live`.
        query: Filter = {} if self.q else {"keys.live": True}
        if self.branch:
            query["branch"] = {"$in": self.branch}
        if self.updated_since:
            query["updated_at"] = {"$gte": self.updated_since}
        if self.q:
            words: list[Filter] = [{"keys.words": {"$regex": f"^{word}"}} for word in words_of(self.q)]
            query["$and"] = words or [_NOTHING]  # symbols such as "€" are not in any word
        for name, value in self.marks.items():
            subject, _, bound = name.rpartition(".")
            query.setdefault(MARKS + subject, {})[f"${bound}"] = value
        return query
