# with settings
"""The settings of lost items."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class LostItemSettings(ModuleSettings, env_prefix="LOST_ITEMS_"):
    """The limits of lost items."""

    max_name_length: Annotated[int, Field(ge=1, le=200)] = 200
    """The largest number of characters in a name."""
