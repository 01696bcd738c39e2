"""The command line `python -m core COMMAND`: core's commands and the modules' commands, which run on the service's
database."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from core.cli import check, demo, dump, migrate, new_module, openapi, restore
from core.cli import settings as settings_files
from core.command import Command, parser_for, run_command
from core.conflicts import check_names
from core.errors import StartupError
from core.module import Module
from core.operations import open_service, service
from core.registry import configure
from core.settings import Settings, use_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        settings, modules = configure()
        check_names([*modules, service])
    except StartupError as error:
        print(error, file=sys.stderr)
        return 1
    chosen = parser_for(commands_of(modules)).parse_args(arguments)
    return run_command(_run(chosen, settings, modules))


def commands_of(modules: Sequence[Module]) -> list[Command]:
    """Return core's commands, and those of the modules."""
    of_modules = [check(modules), demo(modules), migrate(modules)]
    own = [*of_modules, dump, restore, new_module, openapi.command, settings_files.command]
    return [*own, *(command for module in modules for command in module.commands)]


async def _run(chosen: argparse.Namespace, settings: Settings, modules: Sequence[Module]) -> str:
    use_settings(settings)
    command: Command = chosen.command
    async with open_service(settings, modules) if command.database else nullcontext():
        return await command.run(chosen)


if __name__ == "__main__":
    sys.exit(main())
