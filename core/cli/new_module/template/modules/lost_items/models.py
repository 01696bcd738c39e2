"""What is stored of lost items."""

from pymongo import IndexModel

from core.api import Versioned


class LostItem(Versioned):
    """A lost item."""

    code: str
    name: str

    class Settings:
        """Found and listed by code."""

        name = "lost_items"
        indexes = [IndexModel("code", name="code_unique", unique=True)]
