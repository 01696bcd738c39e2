"""Replaces the words, by which searches found students, by search terms, which suit more languages."""

from typing import Any

from beanie import Document, free_fall_migration

from modules.students.migrations._derived import Row, complete, drop_index
from modules.students.models import keys_of


class _StoredStudent(Document):
    class Settings:
        name = "students"


class Forward:
    """Complete the `keys` without search terms."""

    @free_fall_migration(document_models=[_StoredStudent])
    async def replace_words(self, session: None) -> None:
        """Store the terms and delete the words; at last, drop the index of the words."""
        await complete(_StoredStudent, "terms", _updated)
        await drop_index(_StoredStudent, "by_word")


def _updated(row: Row) -> dict[str, Any]:
    return {"$set": {"keys.terms": keys_of(row).terms}, "$unset": {"keys.words": ""}}
