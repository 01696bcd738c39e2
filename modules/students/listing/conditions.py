"""The conditions to which every way of writing a filter is translated, and their MongoDB queries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from core.database import Filter

MARKS = "marks."

MISSING = "missing"
"""Not a stored field: the value of such a condition is a subject in which a student has no mark."""

LOWEST_MARK = 0

_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a stored field, or of `MISSING`, with a value, such as `marks.math` `>=` 40.

    The operators are `=`, `!=`, `<`, `<=`, `>`, `>=`, and `^`: the text begins with the value. A student without a mark
    in a subject meets no comparison of this mark, not even `!=`.
    """

    field: str
    operator: str
    value: Any


AnyOf = tuple[Condition, ...]
"""Alternatives: a student must meet at least one of them."""


def query_of(conditions: Sequence[AnyOf], without_mark: Callable[[str], Filter]) -> Filter:
    """Return the query of the students who meet all conditions. `without_mark` returns that of a missing mark."""
    return {"$and": list(_queries(conditions, without_mark))}


def _queries(conditions: Sequence[AnyOf], without_mark: Callable[[str], Filter]) -> Iterator[Filter]:
    """Yield the query of each entry, in which only the first `$or` can use indexes.

    To choose a plan, MongoDB tries each candidate for thousands of steps, and every `$or` adds up to ten candidates. So
    the others are written as "not none of these", which MongoDB applies to the students that it finds by the rest.
    """
    is_first = True
    for any_of in conditions:
        found = list(_alternatives(any_of, without_mark))
        if len(found) == 1:
            yield found[0]
        else:
            yield {"$or": found} if is_first else {"$nor": [{"$nor": found}]}
            is_first = False


def _alternatives(any_of: AnyOf, without_mark: Callable[[str], Filter]) -> Iterator[Filter]:
    kind = attrgetter("field", "operator")
    for (field, operator), alike in groupby(sorted(any_of, key=kind), key=kind):
        values = [condition.value for condition in alike]
        if field == MISSING:
            yield from map(without_mark, values)
        elif operator == "=":
            yield {field: values[0] if len(values) == 1 else {"$in": values}}
        else:
            yield from ({field: _comparison(field, operator, value)} for value in values)


def _comparison(field: str, operator: str, value: Any) -> Filter:
    if operator == "^":
        return {"$regex": f"^{value}"}
    if operator == "!=":
        return {"$gte": LOWEST_MARK, "$ne": value} if field.startswith(MARKS) else {"$ne": value}
    return {_OPERATORS[operator]: value}
