"""The stored document of lost items."""

from pymongo import IndexModel

from core.api import Versioned


class LostItem(Versioned):
    """A lost item."""

    code: str
    name: str

    class Settings:
        """Has a unique index on the code, for lookups and lists."""

        name = "lost_items"
        indexes = [IndexModel("code", name="code_unique", unique=True)]
