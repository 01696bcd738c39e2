"""The command `forget-module`."""

import argparse

from core.command import Command, CommandError
from core.registry import sources_of_modules
from modules.students.changes import delivery
from modules.students.erasure import service as erasure


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the name of the module")


async def _forget(arguments: argparse.Namespace) -> str:
    """Let no erasure wait any longer for a module whose code was deleted."""
    name: str = arguments.name
    if source := sources_of_modules().get(name):
        raise CommandError(f"The module {name} still exists: {source.where}. Start the service with it instead.")
    erasures = await erasure.unregister(name)
    changes = await delivery.unregister(name)
    if not (erasures or changes):
        raise CommandError(f"No module {name} has followed students on this database.")
    return (
        f"Erasures no longer wait for the module {name}. Drop its collections, too: what they contain of students is "
        "not deleted by anything else."
    )


forget_module = Command(
    name="forget-module",
    help="Let erasures of students no longer wait for a module that was deleted for good.",
    add_arguments=_arguments,
    run=_forget,
)
