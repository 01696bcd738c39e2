"""The modules' migrations, and the record of those applied to the database."""

import asyncio
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
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
    """A migration that has been applied to the database, identified by its name, and what it depended on."""

    id: str  # type: ignore[assignment]  # a name such as `students/m0001_keys`, no ObjectId
    depends_on: str = ""
    at: datetime = Field(default_factory=utc_now)

    class Settings:
        """Has one document for each applied migration."""

        name = "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration of a module. Migrations run in the order of their names."""

    name: str
    source: str

    @property
    def steps(self) -> list[Any]:
        """Beanie's migrations in the class `Forward`, in source order. Raise `StartupError` if there is no such
        class."""
        return [step for step in vars(self._forward).values() if isinstance(step, BaseMigrationController)]

    @property
    def depends_on(self) -> str:
        """What the result depends on, such as a setting: if it has changed, the migration runs again."""
        depends_on: Callable[[], str] | None = getattr(self._forward, "depends_on", None)
        return depends_on() if depends_on else ""

    @property
    def _forward(self) -> type:
        forward: type | None = getattr(importlib.import_module(self.source), "Forward", None)
        if forward is None:
            raise StartupError(f"The migration {self.source} has no class Forward.")
        return forward


def migrations_of(module: Module) -> list[Migration]:
    """Return the migrations of a module, in order."""
    if module.migrations is None:
        return []
    package = module.migrations.__name__
    names = sorted(info.name for info in pkgutil.iter_modules(module.migrations.__path__))
    return [Migration(f"{module.name}/{name}", f"{package}.{name}") for name in names if name[0] != "_"]


async def pending(database: Database, modules: Sequence[Module]) -> list[Migration]:
    """Return the pending migrations. A module that has not stored anything has none.

    Raise `StartupError` if the database is newer than the code.
    """
    due, _ = await _compare(database, modules)
    return due


async def mark_unneeded(database: Database, modules: Sequence[Module]) -> list[Migration]:
    """Mark the migrations of modules that have not stored anything as applied. Return the pending ones, as `pending`
    does."""
    due, unneeded = await _compare(database, modules)
    for migration in unneeded:
        await mark_applied(migration)
    return due


async def _compare(database: Database, modules: Sequence[Module]) -> tuple[list[Migration], list[Migration]]:
    """Return the migrations to be run, and those that are not needed because there is no data."""
    await database.bind([AppliedMigration])
    applied = {migration.id: migration.depends_on for migration in await AppliedMigration.find_all().to_list()}
    _refuse_newer(applied, modules)
    due, unneeded = list[Migration](), list[Migration]()
    for module in modules:
        migrations = migrations_of(module)
        missing = [one for one in migrations if one.name not in applied or applied[one.name] != one.depends_on]
        (due if missing and await _has_data(database, module, missing) else unneeded).extend(missing)
    return due, unneeded


def _refuse_newer(applied: Iterable[str], modules: Sequence[Module]) -> None:
    known = {migration.name for module in modules for migration in migrations_of(module)}
    ours = {module.name for module in modules}
    unknown = sorted(name for name in set(applied) - known if name.partition("/")[0] in ours)
    if unknown:
        raise StartupError(
            f"The database is newer than this code: it has the migrations {', '.join(unknown)}. Start the release that "
            "contains them."
        )


async def _has_data(database: Database, module: Module, missing: Sequence[Migration]) -> bool:
    """Return whether a module has documents in its collections, or in those that a missing migration reads."""
    documents = [
        *module.documents,
        *(model for migration in missing for step in migration.steps for model in step.models),
    ]
    return any([await database.has_documents(collection_name(document)) for document in documents])


async def mark_applied(migration: Migration) -> None:
    """Store that a migration has been applied."""
    await AppliedMigration(id=migration.name, depends_on=migration.depends_on).save()


async def check(database: Database, modules: Sequence[Module], wait_seconds: float) -> None:
    """Raise `StartupError` if migrations are pending or the database is newer than the code. Wait up to `wait_seconds`
    for a running migration first."""
    deadline = monotonic() + wait_seconds
    while problem := await _problem(database, modules):
        if monotonic() >= deadline:
            raise problem
        await asyncio.sleep(_POLL_SECONDS)


async def _problem(database: Database, modules: Sequence[Module]) -> StartupError | None:
    try:
        due = await mark_unneeded(database, modules)
    except StartupError as newer:
        return newer
    return too_old(due) if due else None


def too_old(due: Sequence[Migration]) -> StartupError:
    """Return the error for a database with pending migrations. It names them, and the command that runs them."""
    names = ", ".join(migration.name for migration in due)
    return StartupError(
        f"The database is older than this code: it lacks the migrations {names}. Make a backup, stop the older "
        "release, and run: python -m core migrate"
    )
