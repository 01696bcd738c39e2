# with settings
"""The settings of lost items."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class LostItemSettings(ModuleSettings, env_prefix="LOST_ITEMS_"):
    """The limit for lost items; `LostItemSettings.current().most` is its value."""

    most: Annotated[int, Field(ge=1)] = 10_000
    """How many lost items there may be."""
