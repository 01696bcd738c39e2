"""Comparison of two contents of a student, field by field."""

from collections.abc import Iterator, Mapping
from typing import Any

Value = str | int | float | None
"""A value of a field, or None for no value."""

FieldDifference = tuple[str, Value, Value]
"""A field (`roll_no`, `name`, `branch` or `marks.SUBJECT`), its old value and its new value."""

_TEXTS = ("roll_no", "name", "branch")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldDifference]:
    """Yield each field in which two contents differ. Both have the same ones of `roll_no`, `name`, `branch` and
    `marks`; none of them stands for a student who does not exist."""
    for name in _TEXTS:
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)
    old, new = before.get("marks", {}), after.get("marks", {})
    for subject in {**old, **new} if old != new else ():
        if old.get(subject) != new.get(subject):
            yield f"marks.{subject}", old.get(subject), new.get(subject)
