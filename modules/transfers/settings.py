"""The settings of imports."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class ImportSettings(ModuleSettings, env_prefix="IMPORT_"):
    """The maximum size of a file in bytes, and the number of days for which an import can be undone."""

    max_bytes: Annotated[int, Field(ge=1)] = 200_000_000
    """The largest file to import, in bytes."""

    days: Annotated[int, Field(ge=1)] = 30
    """For how many days an import can be undone, and its plan and its failed rows are kept."""
