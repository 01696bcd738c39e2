"""Filters and sort order of a list of students: validation of the parameters, and their translation to conditions."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from core.api import PrintableLine
from core.database import Order
from core.settings import current_settings
from modules.students.fields import RollNo, Subject
from modules.students.listing.conditions import MARKS, MISSING, AnyOf, Condition
from modules.students.listing.mark_bounds import BOUNDS, MarkBounds
from modules.students.listing.sorting import SORT_PATTERN, check_sort, in_utc, is_by_language, order_of
from modules.students.listing.where import Where
from modules.students.search_terms import prefixes_of

MAX_WORDS = 10
# A word can have several parts, such as the two of "½".
_MAX_PARTS = 15
MAX_ROLL_NUMBERS = 500


def _as_time(text: Any) -> Any:
    """Reject numbers, and restore the plus sign of `…+01:00` if the client did not percent-encode it."""
    if isinstance(text, str) and re.fullmatch(r"[-+]?[\d.]+", text):  # pydantic would read it as seconds since 1970
        raise PydanticKnownError("datetime_type")
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
    if text is not None and not (re.search(_QUERY_PATTERN, text) and len(prefixes_of(text)) <= _MAX_PARTS):
        raise PydanticCustomError("many_words", "Search for at most {most} words.", {"most": MAX_WORDS})
    return text


_TERMS = "keys.terms"
_NOTHING = Condition(_TERMS, "=", "")


class Selection(BaseModel):
    """Filters and sort order of a list of students. A student must match all filters."""

    model_config = ConfigDict(extra="forbid")

    sort: Annotated[
        str,
        StringConstraints(max_length=200),
        AfterValidator(check_sort),
        Field(
            description="One or two of `roll_no`, `natural`, `name`, `last_name`, `branch`, `created_at`, `updated_at` "
            "and `marks.SUBJECT`, separated by a comma; prefix `-` for descending order. Ties are sorted by roll "
            "number. A missing mark is lower than any mark.\n\n"
            "`name` is in alphabetical order: Adam, del Martos, Émile, zoe. `last_name` is the last word of the name, "
            "then the others. `natural` is the roll number with its digits as numbers: 2, 10, A2, A10. `roll_no` and "
            "`branch` are sorted by code point, so upper case comes first.",
            examples=["-marks.math,name"],
            json_schema_extra={"pattern": SORT_PATTERN},
        ),
    ] = "roll_no"
    where: Where = []
    roll_no: Annotated[
        list[RollNo],
        Field(
            max_length=MAX_ROLL_NUMBERS,
            description="Only the student with this roll number. Repeatable, to read many students at once; those who "
            "do not exist are left out.",
            examples=[["S101", "S102"]],
        ),
    ] = []
    branch: Annotated[
        list[PrintableLine],
        Field(
            max_length=20,
            description="Only students in this branch. Repeatable: `branch=8A&branch=8B` is the same as "
            "`where=branch=8A|branch=8B`.",
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
            "accents are ignored, and apostrophes and hyphens may be left out. A Chinese, Japanese or Korean name is "
            "found by any part of it.",
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
        # Left out if they are not given: cursors from before these parameters existed stay valid.
        newer = {field for field in ("where", "roll_no") if not getattr(self, field)}
        names = set(Selection.model_fields) - newer
        # A cursor of another alphabetical order would skip students.
        language = {"locale": current_settings().locale} if is_by_language(self.order) else {}
        return json.dumps(self.model_dump(mode="json", include=names) | language, sort_keys=True)

    @property
    def order(self) -> Order:
        """The order of the list."""
        return order_of(self.sort)

    @property
    def conditions(self) -> tuple[AnyOf, ...]:
        """The conditions that all parameters together set; a student must meet each."""
        single = [(condition,) for condition in self._single_conditions()]
        equal = [
            tuple(Condition(field, "=", value) for value in values)
            for field, values in (("branch", self.branch), ("roll_no", self.roll_no))
            if values
        ]
        searched = [tuple(Condition(_TERMS, "^", one) for one in prefixes) for prefixes in prefixes_of(self.q or "")]
        # The database finds only the first words by an index, so the words with the most alternatives come last.
        searched.sort(key=len)
        return (*single, *equal, *self.where, *searched)

    def _single_conditions(self) -> Iterator[Condition]:
        if not self.q:  # a deleted student has no search terms
            yield Condition("keys.live", "=", True)
        elif not prefixes_of(self.q):  # symbols such as "€" are not in any word
            yield _NOTHING
        if self.updated_since:
            yield Condition("updated_at", ">=", self.updated_since)
        for name, value in self.marks.items():
            subject, _, bound = name.rpartition(".")
            yield Condition(MARKS + subject, BOUNDS[bound], value)
        yield from (Condition(MISSING, "=", subject) for subject in self.missing)
