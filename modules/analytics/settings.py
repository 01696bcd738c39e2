"""The settings of analytics."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

from core.settings import ModuleSettings


def _read_grades(value: object) -> object:
    """Parse grades with their thresholds, such as `A:80,B:70,F:0`. Raise `ValueError` with a text for operators."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    pairs = [re.fullmatch(r"([^:\s]{1,8}) *: *(\d{1,3}(?:\.\d{1,2})?)", part, re.ASCII) for part in parts]
    grades = tuple((pair[1], Decimal(pair[2])) for pair in pairs if pair)
    names, thresholds = [name for name, _ in grades], [threshold for _, threshold in grades]
    if len(grades) < len(parts):
        raise ValueError("write each grade with its minimum percentage, such as A:80,B:70,F:0")
    if len(set(names)) < len(names):
        raise ValueError("each grade can be listed only once")
    if thresholds != sorted(set(thresholds), reverse=True) or thresholds[0] > 100 or thresholds[-1] != 0:
        raise ValueError("percentages must be at most 100 and in descending order, and the last one must be 0")
    return grades


_GRADES = {"A": 80, "B": 70, "C": 60, "D": 50, "E": 40, "F": 0}


class AnalyticsSettings(ModuleSettings):
    """The letter grades, best first, each with its minimum percentage of the highest mark, written as
    `A:80,B:70,F:0`."""

    grades: Annotated[tuple[tuple[str, Decimal], ...], NoDecode, BeforeValidator(_read_grades)] = tuple(
        (grade, Decimal(least)) for grade, least in _GRADES.items()
    )
    """The letter grades of report cards, best first, each with the least percentage of a subject's maximum that earns
    it. The last one is 0."""
