"""Tests of `python -m core create-admin` for a user name that is already registered."""

import argparse
import io
import sys

import pytest
from fastapi.testclient import TestClient

from core.command import CommandError
from core.errors import Conflict
from core.settings import Settings, use_settings
from modules.auth import account_store, commands, service
from tests.auth.people import PASSWORD, Person, signed_in, stored
from tests.terminal import Terminal

pytestmark = pytest.mark.process

TEACHER_EMAIL = "teacher@example.com"


def role(client: TestClient) -> str:
    assert client.portal
    return str(client.portal.call(stored, "teacher").role)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--email", "head@example.com"],
        ["--yes"],
        ["--promote"],
        ["--promote", "--email", TEACHER_EMAIL],
        ["--promote", "--yes", "--email", "head@example.com"],
    ],
)
def test_an_existing_account_is_not_promoted_by_accident(
    terminal: Terminal, teacher: Person, arguments: list[str]
) -> None:
    done = terminal("create-admin", "Teacher", *arguments)

    assert done.returncode == 1
    assert TEACHER_EMAIL in done.stdout + done.stderr
    assert "0 days ago" in done.stdout + done.stderr
    assert role(teacher.client) == "teacher"
    assert teacher.is_signed_in()


def test_a_password_for_an_existing_account_is_refused(terminal: Terminal, teacher: Person) -> None:
    done = terminal("create-admin", "teacher", "--promote", "--yes", typed="Sanddorn-9-Geysir\n")

    assert done.returncode == 1
    assert "Sanddorn" not in done.stdout + done.stderr
    assert role(teacher.client) == "teacher"


@pytest.mark.parametrize("arguments", [[], ["--email", TEACHER_EMAIL.upper()]])
def test_an_existing_account_is_promoted_if_requested(
    terminal: Terminal, teacher: Person, arguments: list[str]
) -> None:
    done = terminal("create-admin", "Teacher", "--promote", "--yes", *arguments)

    assert done.returncode == 0, done.stderr
    assert TEACHER_EMAIL in done.stdout
    assert signed_in(teacher.client, "teacher", PASSWORD).ask("GET", "/me").json()["role"] == "admin"


def test_an_unknown_account_cannot_be_promoted(terminal: Terminal, client: TestClient) -> None:
    done = terminal("create-admin", "teacher", "--promote", "--yes", typed=f"{PASSWORD}\n")

    assert done.returncode == 1
    assert client.post("/login", data={"username": "teacher", "password": PASSWORD}).status_code == 401


def promote(client: TestClient, settings: Settings) -> None:
    """Run the command in this process."""
    arguments = argparse.Namespace(name="teacher", email=None, promote=True, yes=False)

    async def run() -> None:
        use_settings(settings)
        await commands._create_admin(arguments)

    assert client.portal
    client.portal.call(run)


class TerminalInput(io.StringIO):
    """A terminal with this input."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["\n", "n\n", "no\n", "teacher\n"])
def test_the_prompt_refuses_any_answer_but_yes(
    teacher: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", TerminalInput(typed))

    with pytest.raises(CommandError):
        promote(teacher.client, settings)
    assert role(teacher.client) == "teacher"


def test_yes_confirms_the_prompt(teacher: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", TerminalInput("y\n"))

    promote(teacher.client, settings)
    assert role(teacher.client) == "admin"


def test_an_account_that_changes_during_the_prompt_is_not_promoted(
    teacher: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name could belong to another account by then."""
    find = service.find

    async def find_and_delete(name: str) -> object:
        user = await find(name)
        assert user
        await account_store.delete(user)
        return user

    monkeypatch.setattr(sys, "stdin", TerminalInput("y\n"))
    monkeypatch.setattr(service, "find", find_and_delete)
    with pytest.raises(Conflict):
        promote(teacher.client, settings)
