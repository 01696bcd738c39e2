"""Accounts of the first release, which had no roles, are teachers' accounts; their keys have not been counted."""

from beanie import Document, free_fall_migration

_DEFAULTS = {"role": "teacher", "active": True, "key_version": 0}


class _StoredUser(Document):
    class Settings:
        name = "users"


class Forward:
    """Write down what has been understood so far where it is missing."""

    @free_fall_migration(document_models=[_StoredUser])
    async def complete(self, session: None) -> None:
        """One command for each field."""
        for field, value in _DEFAULTS.items():
            await _StoredUser.find({field: {"$exists": False}}).update({"$set": {field: value}})
