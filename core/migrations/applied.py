"""Which migrations there are, and which of them the database has had."""

import asyncio
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from beanie import Document
from pydantic import Field

from core.claims import collection_name
from core.clock import utc_now
from core.database import Database
from core.errors import StartupError
from core.module import Module

_POLL_SECONDS = 1.0


class AppliedMigration(Document):
    """A migration that the database has had, by its name."""

    id: str  # type: ignore[assignment]  # such as `students/m0001_keys`
    at: datetime = Field(default_factory=utc_now)

    class Settings:
        """As many as there are migrations."""

        name = "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration of a module. Names in order are migrations in order."""

    name: str
    source: str

    def forward(self) -> Any:
        """Its class `Forward`; raises `StartupError` if it has none."""
        found = getattr(importlib.import_module(self.source), "Forward", None)
        if found is None:
            raise StartupError(f"The migration {self.source} has no class Forward.")
        return found


def migrations_of(module: Module) -> list[Migration]:
    """The migrations of a module, in order."""
    if module.migrations is None:
        return []
    package = module.migrations.__name__
    names = sorted(info.name for info in pkgutil.iter_modules(module.migrations.__path__))
    return [Migration(f"{module.name}/{name}", f"{package}.{name}") for name in names if name[0] != "_"]


async def pending(database: Database, modules: Sequence[Module]) -> list[Migration]:
    """The migrations that the database has still to have. Where a module has stored nothing so far, there are none.
    Raises `StartupError` if the database is newer than the code."""
    await database.bind([AppliedMigration])
    had = {applied.id for applied in await AppliedMigration.find_all().to_list()}
    _refuse_newer(had, modules)
    found = []
    for module in modules:
        missing = [migration for migration in migrations_of(module) if migration.name not in had]
        if missing and await _has_stored(database, module):
            found += missing
        else:
            await note([migration.name for migration in missing])
    return found


def _refuse_newer(had: set[str], modules: Sequence[Module]) -> None:
    known = {migration.name for module in modules for migration in migrations_of(module)}
    ours = {module.name for module in modules}
    unknown = sorted(name for name in had - known if name.partition("/")[0] in ours)
    if unknown:
        raise StartupError(
            f"The database is newer than this code: it has had {', '.join(unknown)}. Start the code that brought it."
        )


async def _has_stored(database: Database, module: Module) -> bool:
    names = [collection_name(document) for document in module.documents]
    return any([await database.has_documents(name) for name in names])


async def note(names: Sequence[str]) -> None:
    """Write down that the database has had these."""
    for name in names:
        await AppliedMigration(id=name).save()


async def check(database: Database, modules: Sequence[Module], wait_seconds: float) -> None:
    """Raise `StartupError` unless the database has the shape that the modules know, now or after waiting for whoever
    is at work on it."""
    deadline = monotonic() + wait_seconds
    while missing := await pending(database, modules):
        if monotonic() >= deadline:
            names = ", ".join(migration.name for migration in missing)
            raise StartupError(
                f"The database is older than this code: it has not had {names}. Make a backup, stop the older code, "
                "and run: python -m core migrate"
            )
        await asyncio.sleep(_POLL_SECONDS)
