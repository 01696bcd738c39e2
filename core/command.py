"""Commands for a terminal, which modules declare: `python -m core NAME …`."""

import argparse
import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pymongo.errors import PyMongoError

from core.errors import Problem, StartupError


class CommandError(Exception):
    """A command cannot do what it was asked to. The text tells the person at the terminal why."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: its name, a line of help, the arguments that it takes, and what it does with them. An error's
    text is what the person at the terminal reads."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Awaitable[str]]
    """Answers with what to print."""
    database: bool = True
    """Whether the database is opened for it."""


def parser_for(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """The command line of all the commands together; raises `StartupError` where two have one name."""
    parser = argparse.ArgumentParser(prog="python -m core", description="Commands of the Student Management API.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    taken = [name for name, count in Counter(command.name for command in commands).items() if count > 1]
    if taken:
        raise StartupError(f"The command {taken[0]} is declared more than once. Rename one of them.")
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


def render_problem(problem: Problem) -> str:
    """A problem, for someone at a terminal."""
    return " ".join([problem.detail or problem.title, *(error.detail for error in problem.errors)])


def run_command(work: Awaitable[str]) -> int:
    """Do the work of a command and print its answer; the exit status, with the reason on standard error."""

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
    except PyMongoError as error:  # its text may hold what is stored
        print(f"The database did not do what was asked: {type(error).__name__}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 128 + signal.SIGINT  # as a shell tells it
    return 0


@contextmanager
def create_private_file(path: Path) -> Iterator[IO[bytes]]:
    """Create a file that only its owner can read; remove it after an error. Raise `CommandError` where anything has
    that name, so that nobody can prepare a link or a file that others read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise CommandError(f"{path} is there already: another command is writing it, or was cut short.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
