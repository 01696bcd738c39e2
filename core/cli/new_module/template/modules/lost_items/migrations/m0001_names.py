# with migration
"""Completes lost items without a name."""

from beanie import Document, free_fall_migration

from core.database import collection


class _Stored(Document):
    class Settings:
        name = "lost_items"


class Forward:
    """Complete lost items without a name."""

    @free_fall_migration(document_models=[_Stored])
    async def complete(self, session: None) -> None:
        """Update them with one command, which does no harm when it is repeated after a crash."""
        await collection(_Stored).update_many({"name": None}, {"$set": {"name": "(unknown)"}})
