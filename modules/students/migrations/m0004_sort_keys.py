"""Stores the sort keys of names and roll numbers; runs again when the language of names or its rules change."""

from collections.abc import Iterator
from typing import Any

from beanie import Document, free_fall_migration

from core.collation import collation_version
from core.database import bulk_update
from core.settings import current_settings
from modules.students.migrations._derived import Row, batches, drop_index
from modules.students.models import keys_of


class _StoredStudent(Document):
    class Settings:
        name = "students"


class Forward:
    """Complete the `keys` that have other sort keys, or none."""

    @staticmethod
    def depends_on() -> str:
        """Return the language, and the version of the rules by which sort keys are made."""
        return collation_version(current_settings().locale)

    @free_fall_migration(document_models=[_StoredStudent])
    async def complete(self, session: None) -> None:
        """Update in batches, and repeat until nothing has changed: older code may still write some meanwhile."""
        while await _update_all():
            pass
        await drop_index(_StoredStudent, "by_branch_and_name")


async def _update_all() -> int:
    """Update all students, except those without `keys`, which m0001 completes. Return how many had other sort keys."""
    found = 0
    async for batch in batches(_StoredStudent, {"keys.live": {"$exists": True}}):
        if updates := [update for row in batch for update in _updates(row)]:
            await bulk_update(_StoredStudent, updates)
            found += len(updates)
    return found


def _updates(row: Row) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    keys = keys_of(row)
    made = {name: getattr(keys, name) for name in ("natural", "name", "last_name")}
    if any(row["keys"].get(name) != key for name, key in made.items()):
        new = {f"keys.{name}": key for name, key in made.items()}
        yield {"_id": row["_id"], "version": row["version"]}, {"$set": new}
