"""The command `new-module`: its arguments, and the check that the name is free."""

import argparse
import importlib
import re
from collections.abc import Sequence
from pathlib import Path

from core.cli.new_module.names import Names, names_for
from core.cli.new_module.writing import PARTS, write_module
from core.command import Command, CommandError
from core.conflicts import declarations_of
from core.module import Module
from core.operations import service
from core.pages import problem_types
from core.registry import discover


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the module's name: the plural of its records, such as open_days")
    parser.add_argument("--singular", help="the singular (default: derived from the plural)")
    parser.add_argument(
        "--with",
        dest="parts",
        type=_parts,
        default=(),
        metavar="PARTS",
        help=f"what else the module has, with tests; any of {','.join(PARTS)}",
    )


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(text.split(","))
    if unknown := set(parts) - set(PARTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is unknown; choose from {', '.join(PARTS)}")
    return parts


async def _run(arguments: argparse.Namespace) -> str:
    names = names_for(arguments.name, arguments.singular)
    check_is_free(names, [*discover(), service])
    root = Path(importlib.import_module("modules").__path__[0]).parent
    write_module(names, root, arguments.parts)
    first = "Document its settings: .venv/bin/python -m core openapi\n" if "settings" in arguments.parts else ""
    return (
        f"Wrote modules/{names.plural}/ and tests/{names.plural}/; a record is called {names.one}.\n"
        f"{first}Run its tests: .venv/bin/python -m pytest tests/{names.plural} tests/contract -k {names.plural}"
    )


def check_is_free(names: Names, modules: Sequence[Module]) -> None:
    """Raise `CommandError` if another module already has a name that the template declares: that of the module, its
    collection, a route, a schema, a problem type, a setting or a command."""
    setting, command = f"{names.plural.upper()}_MAX_NAME_LENGTH", f"count-{names.plural.replace('_', '-')}"
    taken = re.compile(
        rf"(?:module|collection) {names.plural}|route [A-Z]+ {re.escape(names.path)}(?:/.*)?"
        rf"|schema {names.type_name}(?:Create|Read|Replace)|setting {setting}|command {command}"
    )
    for module in modules:
        for declaration in declarations_of(module):
            if taken.fullmatch(declaration):
                remedy = "another --singular" if declaration.startswith("schema") else "another name"
                raise CommandError(f"The module {module.name} already has the {declaration}. Choose {remedy}.")
    for ending in ("not-found", "code-taken"):
        problem = f"/problems/{names.singular.replace('_', '-')}-{ending}"
        if problem in problem_types(modules):
            raise CommandError(f"The problem type {problem} already exists. Choose another --singular.")


new_module = Command(
    name="new-module",
    help="generate a new module and its tests as a starting point",
    add_arguments=_add_arguments,
    run=_run,
    database=False,
)
