"""Tests of the commands for a terminal."""

import pytest
from pymongo.errors import OperationFailure

from core.command import run_command


def test_messages_of_the_database_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> str:
        raise OperationFailure("hunter2 is inside")

    assert run_command(fail()) == 1
    assert capsys.readouterr().err == "The database operation failed: OperationFailure.\n"
