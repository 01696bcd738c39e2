"""The settings of imports."""

from typing import Annotated

from pydantic import Field

from core.settings import ModuleSettings


class ImportSettings(ModuleSettings, env_prefix="IMPORT_"):
    """How large a file may be, in bytes, and for how many days its import can be undone."""

    max_bytes: Annotated[int, Field(ge=1)] = 200_000_000
    """The largest file to import, in bytes."""

    days: Annotated[int, Field(ge=1)] = 30
    """For how many days an import can be undone, and its failed rows are kept."""
