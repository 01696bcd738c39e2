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
from beanie.migrations.controllers.base import BaseMigrationController
from pydantic import Field

from core.clock import utc_now
from core.database import Database, collection_name
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

    @property
    def steps(self) -> list[Any]:
        """Beanie's migrations in its class `Forward`, as they are written; raises `StartupError` if it has none."""
        forward = getattr(importlib.import_module(self.source), "Forward", None)
        if forward is None:
            raise StartupError(f"The migration {self.source} has no class Forward.")
        return [step for step in vars(forward).values() if isinstance(step, BaseMigrationController)]


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
    due, _ = await _compare(database, modules)
    return due


async def settle(database: Database, modules: Sequence[Module]) -> list[Migration]:
    """The same; migrations of modules that have stored nothing are noted as had."""
    due, needless = await _compare(database, modules)
    for migration in needless:
        await note(migration)
    return due


async def _compare(database: Database, modules: Sequence[Module]) -> tuple[list[Migration], list[Migration]]:
    """The migrations that are to be run, and those that have nothing to do."""
    await database.bind([AppliedMigration])
    had = {applied.id for applied in await AppliedMigration.find_all().to_list()}
    _refuse_newer(had, modules)
    due, needless = list[Migration](), list[Migration]()
    for module in modules:
        missing = [migration for migration in migrations_of(module) if migration.name not in had]
        (due if missing and await _has_stored(database, module, missing) else needless).extend(missing)
    return due, needless


def _refuse_newer(had: set[str], modules: Sequence[Module]) -> None:
    known = {migration.name for module in modules for migration in migrations_of(module)}
    ours = {module.name for module in modules}
    unknown = sorted(name for name in had - known if name.partition("/")[0] in ours)
    if unknown:
        raise StartupError(
            f"The database is newer than this code: it has had {', '.join(unknown)}. Start the code that brought it."
        )


async def _has_stored(database: Database, module: Module, missing: Sequence[Migration]) -> bool:
    """Whether a module has anything in its collections, or in those that it had before a migration renames them."""
    documents = [
        *module.documents,
        *(model for migration in missing for step in migration.steps for model in step.models),
    ]
    return any([await database.has_documents(collection_name(document)) for document in documents])


async def note(migration: Migration) -> None:
    """Write down that the database has had this."""
    await AppliedMigration(id=migration.name).save()


async def check(database: Database, modules: Sequence[Module], wait_seconds: float) -> None:
    """Raise `StartupError` unless the database has the shape that the modules know, now or after waiting for whoever
    is at work on it."""
    deadline = monotonic() + wait_seconds
    while problem := await _problem(database, modules):
        if monotonic() >= deadline:
            raise problem
        await asyncio.sleep(_POLL_SECONDS)


async def _problem(database: Database, modules: Sequence[Module]) -> StartupError | None:
    try:
        due = await settle(database, modules)
    except StartupError as newer:
        return newer
    return too_old(due) if due else None


def too_old(due: Sequence[Migration]) -> StartupError:
    """That these are still to be run, and how."""
    names = ", ".join(migration.name for migration in due)
    return StartupError(
        f"The database is older than this code: it has not had {names}. Make a backup, stop the older code, and run: "
        "python -m core migrate"
    )
