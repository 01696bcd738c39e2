"""Database migrations, which change the structure of stored data.

A module's migrations are the files of its package `migrations`, in the order of their names. Each has a class
`Forward` with Beanie's migrations (`free_fall_migration`, `iterative_migration`). A process may die half-way and
another may start again, so a migration must be safe to rerun: it skips what is done and does the rest. Never rename a
migration that has been run anywhere.

If the result depends on a setting, `Forward` has a static method `depends_on` that returns its value as text. When that
changes, the migration is pending again.
"""

from core.migrations.applied import AppliedMigration, check, pending, too_old
from core.migrations.runner import run

__all__ = [
    "AppliedMigration",
    "check",
    "pending",
    "run",
    "too_old",
]
