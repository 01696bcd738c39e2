"""Changes of what is stored, from one shape to the next.

A module's migrations are the files of its package `migrations`, in the order of their names. Each has a class
`Forward` with Beanie's migrations (`free_fall_migration`, `iterative_migration`). A process may die half-way and
another one begin again, so a migration finds what has been done, and does the rest. A name never changes once it has
been run anywhere.
"""

from core.migrations.applied import AppliedMigration, check, pending, too_old
from core.migrations.runner import MigrationLock, run

__all__ = [
    "AppliedMigration",
    "MigrationLock",
    "check",
    "pending",
    "run",
    "too_old",
]
