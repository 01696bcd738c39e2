"""The stored documents of subjects."""

from datetime import datetime

from pydantic import BaseModel
from pymongo import IndexModel

from core.api import Versioned, normalized

UNORDERED = 1_000_000
"""The stored `order` of a subject without one: after all others."""

_EXACT = "."
"""The first character of a key that stands for one exact spelling. No subject contains a dot."""


def spelling_key(subject: str) -> str:
    """Return a key that is equal for spellings of one subject: those that differ only in case or Unicode form.

    This is canonical caseless matching (The Unicode Standard, section 3.13, D145) of text in composed form.
    """
    return normalized("NFC", normalized("NFC", subject).casefold())


def exact_key(subject: str) -> str:
    """Return the key of a subject that differs from another one only in case or Unicode form, as students stored before
    version 0.3 may have. It is a subject of its own until somebody merges the two."""
    return _EXACT + subject


class SubjectChange(BaseModel):
    """One change of a subject: when, by whom, and what."""

    at: datetime
    by: str
    address: str
    request_id: str
    what: str


class Subject(Versioned):
    """A subject that somebody has written a mark in, or that is declared.

    keys             of the name and of the aliases: each finds one subject
    name             the spelling under which marks are stored
    max              the highest mark; None for `MARKS_MAX`
    order            the place in lists, `UNORDERED` without one
    counts_in_total  whether its marks are part of a student's total
    declared         whether somebody has described it: other subjects are listed only while students have marks in them
    log              the newest changes
    """

    keys: list[str]
    name: str
    title: str | None = None
    max: int | float | None = None
    order: int = UNORDERED
    aliases: list[str] = []
    counts_in_total: bool = True
    declared: bool = False
    log: list[SubjectChange] = []

    class Settings:
        """Collection name and indexes: a unique one over the keys of all names and aliases, and one for the list."""

        name = "subjects"
        indexes = [
            IndexModel("keys", name="key_unique", unique=True),
            IndexModel("name", name="name_unique", unique=True),
            IndexModel([("order", 1), ("name", 1)], name="by_order"),
        ]
