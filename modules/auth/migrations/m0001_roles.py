"""Default values for accounts of the first release, which had no roles, activation or key versions."""

from beanie import Document, free_fall_migration

_DEFAULTS = {"role": "teacher", "active": True, "key_version": 0}


class _StoredUser(Document):
    class Settings:
        name = "users"


class Forward:
    """Store the values that the code has assumed for missing fields."""

    @free_fall_migration(document_models=[_StoredUser])
    async def complete(self, session: None) -> None:
        """Set each field where it is missing, with one command per field."""
        for field, value in _DEFAULTS.items():
            await _StoredUser.find({field: {"$exists": False}}).update({"$set": {field: value}})
