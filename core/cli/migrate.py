"""`python -m core migrate`: runs the pending migrations."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from core.command import Command
from core.database import open_database
from core.migrations import pending, run
from core.module import Module
from core.settings import current_settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="only list the pending migrations")
    parser.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS", help="how long to wait for another runner (60)"
    )


async def _migrate(modules: Sequence[Module], arguments: argparse.Namespace) -> str:
    async with open_database(current_settings()) as database:
        if arguments.list:
            names = [migration.name for migration in await pending(database, modules)]
            return "\n".join(names) or "No migrations are pending."
        count = await run(database, modules, arguments.wait, lambda line: print(line, file=sys.stderr))
        return f"Migrations run: {count}. The database is up to date." if count else "The database is up to date."


def migrate(modules: Sequence[Module]) -> Command:
    """Return the command that migrates the stored data of these modules."""
    return Command(
        name="migrate",
        help="run the pending migrations of the stored data",
        add_arguments=_arguments,
        run=partial(_migrate, modules),
        database=False,
    )
