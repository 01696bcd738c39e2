"""Tests of the commands for a terminal."""

import argparse

import pytest
from pymongo.errors import OperationFailure

from core.command import Command, parser_for, run_command
from core.errors import StartupError


async def nothing(_: argparse.Namespace) -> str:
    return ""


def test_two_commands_with_the_same_name_are_refused() -> None:
    command = Command(name="count", help="Count.", add_arguments=lambda _: None, run=nothing)

    with pytest.raises(StartupError, match=r"\bcount\b"):
        parser_for([command, command])


def test_messages_of_the_database_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> str:
        raise OperationFailure("hunter2 is inside")

    assert run_command(fail()) == 1
    assert capsys.readouterr().err == "The database operation failed: OperationFailure.\n"
