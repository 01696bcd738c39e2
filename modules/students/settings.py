"""The settings of student records."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class MarkSettings(ModuleSettings, env_prefix="MARKS_"):
    """The range of valid marks: from 0 to `max`."""

    max: Annotated[float, Field(gt=0, le=1_000_000)] = 100
    """The highest mark."""
