"""The command `new-module`."""

import argparse
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from core.cli.new_module.names import Names, names_for
from core.cli.new_module.writing import write_module
from core.command import Command, CommandError
from core.conflicts import declarations_of
from core.module import Module
from core.operations import service
from core.pages import problem_types
from core.registry import discover


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the module's name: what it keeps, in the plural, such as open_days")
    parser.add_argument("--singular", help="one of them (default: made from the plural)")


async def _run(arguments: argparse.Namespace) -> str:
    names = names_for(arguments.name, arguments.singular)
    check_is_free(names, [*discover(), service])
    root = Path(importlib.import_module("modules").__path__[0]).parent
    write_module(names, root)
    return (
        f"Wrote modules/{names.plural}/ and tests/{names.plural}/; one record is {names.one}.\n"
        f"Try it: .venv/bin/python -m pytest tests/{names.plural} tests/contract -k {names.plural}"
    )


def check_is_free(names: Names, modules: Sequence[Module]) -> None:
    """Raise `CommandError` if a module has the name, the collection or an address of the new one already, or a problem
    of the name that its first one will have."""
    taken = re.compile(rf"(?:module|collection) {names.plural}|route [A-Z]+ {re.escape(names.path)}(?:/.*)?")
    for module in modules:
        for claim in declarations_of(module):
            if taken.fullmatch(claim):
                raise CommandError(f"The module {module.name} has the {claim} already. Choose another name.")
    problem = f"/problems/{names.singular.replace('_', '-')}-not-found"
    if problem in problem_types(modules):
        raise CommandError(f"There is a problem {problem} already. Choose another --singular.")


new_module = Command(
    name="new-module",
    help="Write a new module and its tests, to be changed into what is wanted.",
    add_arguments=_add_arguments,
    run=_run,
    database=False,
)
