"""The settings of student records."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class MarkSettings(ModuleSettings, env_prefix="MARKS_"):
    """What a mark may be."""

    max: Annotated[float, Field(gt=0, le=1_000_000)] = 100
    """The highest mark."""
