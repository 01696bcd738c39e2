"""`python -m core migrate`."""

import argparse
import sys

from core.command import Command
from core.database import open_database
from core.discovery import discover
from core.migrations.applied import pending
from core.migrations.runner import run
from core.settings import read_settings, use_settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="only tell what would be run")
    parser.add_argument(
        "--wait", type=float, default=60, metavar="SECONDS", help="how long to wait for another runner (60)"
    )


async def _migrate(arguments: argparse.Namespace) -> str:
    settings = read_settings()
    use_settings(settings)
    modules = discover(disabled=settings.modules_disabled)
    async with open_database(settings) as database:
        if arguments.list:
            names = [migration.name for migration in await pending(database, modules)]
            return "\n".join(names) or "There is nothing to run."
        count = await run(database, modules, arguments.wait, lambda line: print(line, file=sys.stderr))
        return f"Ran {count} of them; the database is up to date." if count else "The database is up to date."


migrate = Command(
    name="migrate",
    help="bring what is stored into the shape that this code knows",
    add_arguments=_arguments,
    run=_migrate,
    database=False,
)
