"""`python -m core COMMAND`: the service's own commands and those that the modules declare, on its database."""

import argparse
import sys
from collections.abc import Sequence

from core.command import parser_for, run_command
from core.database import open_database
from core.errors import StartupError
from core.module import Module, discover
from core.scaffold import new_module
from core.settings import read_settings, use_settings

# What the service itself can do from a terminal.
OWN = (new_module,)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit status."""
    try:
        modules = discover()
    except StartupError as error:
        print(error, file=sys.stderr)
        return 1
    parser = parser_for([*OWN, *(command for module in modules for command in module.commands)])
    chosen = parser.parse_args(arguments)
    return run_command(_run(chosen, modules))


async def _run(chosen: argparse.Namespace, modules: Sequence[Module]) -> str:
    settings = read_settings()
    use_settings(settings)
    if not chosen.command.database:
        return str(await chosen.command.run(chosen))
    documents = [document for module in modules for document in module.documents]
    async with open_database(settings, documents):
        answer: str = await chosen.command.run(chosen)
        return answer


if __name__ == "__main__":
    sys.exit(main())
