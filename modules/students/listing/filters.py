"""Which students a list holds, and in which order: what a client writes, checked, and as MongoDB wants it."""

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
from modules.students.fields import SUBJECT_PATTERN, Subject, subject_of
from modules.students.listing.sorting import MARKS, SORT_PATTERN, check_sort, in_utc, order_of
from modules.students.search_terms import words_of

MAX_WORDS = 10
MAX_BOUNDS = 20

_BOUNDS = ("gte", "gt", "lte", "lt")
_HOW_TO_BOUND = "Write marks.SUBJECT.gte, or gt, lte, lt."


def _check_bound_name(name: str) -> str:
    subject, _, bound = name.rpartition(".")
    if bound not in _BOUNDS:
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    return f"{subject_of(subject)}.{bound}"


def _check_bounds(bounds: Any, check: ValidatorFunctionWrapHandler) -> dict[str, float]:
    if not isinstance(bounds, dict):  # a parameter that is just called `marks`
        raise PydanticCustomError("bound", _HOW_TO_BOUND)
    checked: dict[str, float] = check(bounds)
    if len(checked) != len(bounds):
        raise PydanticCustomError("bound_twice", "Two of these are the same, but for spaces or accents.")
    return checked


def _check_bound(value: Any) -> float:
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        raise PydanticCustomError("bound_value", "This must be one number, such as 40 or 72.5.")
    return float(value)


_BOUND = {"type": "number", "minimum": -999_999_999, "maximum": 999_999_999}
_MARK_BOUNDS = {
    "type": "object",
    "patternProperties": {rf"^marks\.{SUBJECT_PATTERN}\.(gte|gt|lte|lt)$": _BOUND},
    "additionalProperties": False,
    "maxProperties": MAX_BOUNDS,
    "examples": [{"marks.math.gte": 40}],
}

MarkBounds = Annotated[
    dict[Annotated[str, AfterValidator(_check_bound_name)], Annotated[float, PlainValidator(_check_bound)]],
    Field(
        max_length=MAX_BOUNDS,
        description="Each as a parameter of its own, `marks.SUBJECT.gte=40`: only students with a mark in that subject "
        "that is at least (`gte`), above (`gt`), at most (`lte`) or below (`lt`) a number.",
    ),
    WrapValidator(_check_bounds),
    WithJsonSchema(_MARK_BOUNDS),
]


def _as_time(text: Any) -> Any:
    """A text that only a time can be; with the plus of `…+01:00` where a client has left it unencoded."""
    if isinstance(text, str) and re.fullmatch(r"[-+]?[\d.]+", text):  # seconds since 1970, to the library
        raise PydanticCustomError("datetime_parsing", "A number is no time.")
    return re.sub(r" (\d\d:?\d\d)$", r"+\1", text) if isinstance(text, str) else text


Moment = Annotated[AwareDatetime, BeforeValidator(_as_time), AfterValidator(in_utc)]


def _check_query(text: str | None) -> str | None:
    words = words_of(text or "")
    if text is not None and not words:
        raise PydanticCustomError("no_words", "Search for letters or digits.")
    if len(words) > MAX_WORDS:
        raise PydanticCustomError("many_words", "Search for at most {most} words.", {"most": MAX_WORDS})
    return text


class Selection(BaseModel):
    """Filters and sort of a list of students. A student must pass all of the filters."""

    model_config = ConfigDict(extra="forbid")

    sort: Annotated[
        str,
        StringConstraints(max_length=200),
        AfterValidator(check_sort),
        Field(
            description="One or two of `roll_no`, `name`, `branch`, `created_at`, `updated_at` and `marks.SUBJECT`, "
            "joined by a comma; `-` in front for descending. Equal students are in order of roll number; one without a "
            "mark counts as lower than any mark. Text is in order of code points: capitals first.",
            examples=["-marks.math,name"],
            json_schema_extra={"pattern": SORT_PATTERN},
        ),
    ] = "roll_no"
    branch: Annotated[
        list[PrintableLine],
        Field(max_length=20, description="Only this branch; repeat for others.", examples=[["Physics"]]),
    ] = []
    marks: MarkBounds = {}
    missing: Annotated[
        list[Subject], Field(max_length=20, description="Only students without a mark in this subject; repeatable.")
    ] = []
    updated_since: Annotated[
        Moment | None,
        Field(description="Only students changed at this time or later.", examples=["2026-11-22T09:30:00Z"]),
    ] = None
    q: Annotated[
        str | None,
        StringConstraints(max_length=200),
        AfterValidator(_check_query),
        Field(
            description="Search: every word must begin a word of the name or the roll number, in any case, with or "
            "without accents.",
            examples=["ash rao"],
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _gather_mark_bounds(cls, data: Any) -> Any:
        """Make one field of the parameters `marks.…`, whose names are not known beforehand."""
        if not isinstance(data, dict):
            return data
        bounds = {name.removeprefix(MARKS): value for name, value in data.items() if name.startswith(MARKS)}
        others = {name: value for name, value in data.items() if not name.startswith(MARKS)}
        return others | {"marks": bounds} if bounds else others

    @property
    def name(self) -> str:
        """Tells this selection from all others."""
        return json.dumps(self.model_dump(mode="json", include=set(Selection.model_fields)), sort_keys=True)

    @property
    def order(self) -> Order:
        """The order of the list."""
        return order_of(self.sort)

    @property
    def filter(self) -> Filter:
        """What selects the students, other than what `missing` says."""
        # A deleted student has no words, so a search need not look whether one is.
        query: Filter = {} if self.q else {"keys.live": True}
        if self.branch:
            query["branch"] = {"$in": self.branch}
        if self.updated_since:
            query["updated_at"] = {"$gte": self.updated_since}
        if self.q:
            query["$and"] = [{"keys.words": {"$regex": f"^{word}"}} for word in words_of(self.q)]
        for name, value in self.marks.items():
            subject, _, bound = name.rpartition(".")
            query.setdefault(MARKS + subject, {})[f"${bound}"] = value
        return query
