"""The terminal commands of core and of modules: `python -m core NAME …`."""

import argparse
import asyncio
import inspect
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pymongo.errors import PyMongoError

from core.errors import Problem, StartupError
from core.functions import check_async

OWN_COMMANDS = ("check", "demo", "dump", "migrate", "new-module", "openapi", "restore", "settings")
"""The names of core's own commands, which a module's commands cannot have."""


class CommandError(Exception):
    """A command failed. The message tells the user at the terminal why."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A terminal command: its name, its help text, its arguments, and the function that runs it. The text of a raised
    `Problem`, `CommandError` or `StartupError` is printed to the terminal."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Awaitable[str]]
    """Run the command and return the text to print."""
    database: bool = True
    """Whether the database is opened before the command runs."""

    def __post_init__(self) -> None:
        """Raise `StartupError` for a name that cannot be typed as one argument, a value of a wrong type, or a function
        that fails: one command that cannot be added to the parser would disable all of them."""
        if not isinstance(self.name, str) or not re.fullmatch("[a-z0-9][a-z0-9_-]*", self.name):
            raise StartupError(
                f"The name of the command {self.name!r} is invalid. Use lower-case letters, digits and '-', as in "
                "count-loans."
            )
        if not isinstance(self.help, str):
            raise StartupError(f"The help of the command {self.name} must be text.")
        if not isinstance(self.database, bool):
            raise StartupError(f"The value of database of the command {self.name} must be True or False.")
        check_async(self.run, f"The function `run` of the command {self.name}", arguments=1)
        self._check_arguments()

    def _check_arguments(self) -> None:
        parser = argparse.ArgumentParser()
        try:
            if inspect.iscoroutinefunction(self.add_arguments):
                raise TypeError("it must not be async")
            self.add_arguments(parser)
            parser.format_help()
        except Exception as error:
            raise StartupError(
                f"add_arguments of the command {self.name} fails: {type(error).__name__}: {error}. Give a function "
                "that takes the parser, such as `lambda _: None`, and write '%' as '%%' in the help of arguments."
            ) from error


def parser_for(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Return the parser for all commands, whose names differ."""
    parser = argparse.ArgumentParser(prog="python -m core", description="Commands of the Student Management API.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        escaped = command.help.replace("%", "%%")  # argparse formats each `help`, and a description with `%(prog)`
        description = escaped if "%(prog)" in command.help else command.help
        subparser = subparsers.add_parser(command.name, help=escaped, description=description)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


def render_problem(problem: Problem) -> str:
    """Return the text of a problem for a terminal."""
    return " ".join([problem.detail or problem.title, *(error.detail for error in problem.errors)])


def run_command(work: Awaitable[str]) -> int:
    """Run a command, print its result or, on standard error, the reason of its failure, and return the exit status."""

    async def wait() -> str:
        return await work

    try:
        print(asyncio.run(wait()))
    except Problem as problem:
        print(render_problem(problem), file=sys.stderr)
        return 1
    except (CommandError, StartupError) as error:
        print(error, file=sys.stderr)
        return 1
    except PyMongoError as error:  # its text may contain stored data
        print(f"The database operation failed: {type(error).__name__}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 128 + signal.SIGINT  # the convention of shells
    return 0


@contextmanager
def create_private_file(path: Path) -> Iterator[IO[bytes]]:
    """Create a file that only its owner can read, and remove it after an error. Raise `CommandError` if the path
    exists, so that another user cannot prepare a link or a readable file there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} already exists: another command is writing it, or was interrupted.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
