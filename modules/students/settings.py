"""The settings of student records."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings

MAX_MARK = 1_000_000
"""The highest mark that can be declared, for all subjects or for one."""


class MarkSettings(ModuleSettings, env_prefix="MARKS_"):
    """The range of valid marks: from 0 to `max`, in subjects without a maximum of their own."""

    max: Annotated[float, Field(gt=0, le=MAX_MARK)] = 100
    """The highest mark."""
