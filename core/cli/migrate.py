"""`python -m core migrate`."""

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
    parser.add_argument("--list", action="store_true", help="only tell what would be run")
    parser.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS", help="how long to wait for another runner (60)"
    )


async def _migrate(modules: Sequence[Module], arguments: argparse.Namespace) -> str:
    async with open_database(current_settings()) as database:
        if arguments.list:
            names = [migration.name for migration in await pending(database, modules)]
            return "\n".join(names) or "There is nothing to run."
        count = await run(database, modules, arguments.wait, lambda line: print(line, file=sys.stderr))
        return f"Ran {count} of them; the database is up to date." if count else "The database is up to date."


def migrate(modules: Sequence[Module]) -> Command:
    """The command that brings what these modules keep up to date."""
    return Command(
        name="migrate",
        help="bring what is stored into the shape that this code knows",
        add_arguments=_arguments,
        run=partial(_migrate, modules),
        database=False,
    )
