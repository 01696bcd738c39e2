"""Tests of the command `python -m core create-admin`."""

import getpass
import io
import sys

import pytest
from fastapi.testclient import TestClient

from modules.auth import commands
from tests.auth.people import PASSWORD, signed_in
from tests.terminal import Terminal

pytestmark = pytest.mark.process


def test_the_first_admin_is_created_with_a_password_from_standard_input(terminal: Terminal, client: TestClient) -> None:
    done = terminal("create-admin", "principal", typed=f"{PASSWORD}\n")

    assert (done.returncode, "principal" in done.stdout) == (0, True), done.stderr
    admin = signed_in(client, "principal")
    assert admin.ask("GET", "/me").json()["email"] == "principal@users.invalid"
    assert admin.ask("GET", "/users").status_code == 200
    assert admin.ask("DELETE", "/me", {"current_password": PASSWORD}).status_code == 409
    assert PASSWORD not in done.stdout + done.stderr


def test_an_email_address_can_be_given(terminal: Terminal, client: TestClient) -> None:
    done = terminal("create-admin", "principal", "--email", "head@example.com", typed=f"{PASSWORD}\n")

    assert done.returncode == 0, done.stderr
    assert signed_in(client, "principal").ask("GET", "/me").json()["email"] == "head@example.com"


def test_a_terminal_prompts_for_the_password_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO("typed in sight\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"unseen, after {prompt!r}")

    assert commands._password() == "unseen, after 'Password: '"


@pytest.mark.parametrize(
    ("arguments", "typed", "named"),
    [
        (["create-admin", "principal"], "short\n", "password: "),
        (["create-admin", "principal"], "password1\n", "password"),
        (["create-admin", "principal"], "", "password: "),
        (["create-admin", "no body"], f"{PASSWORD}\n", "username: "),
        (["create-admin", "principal", "--email", "x"], f"{PASSWORD}\n", "email: "),
        (["create-admin"], "", "name"),
        (["create-admni"], "", "create-admni"),
        ([], "", "COMMAND"),
    ],
)
def test_the_error_names_an_invalid_argument_or_value(
    terminal: Terminal, client: TestClient, arguments: list[str], typed: str, named: str
) -> None:
    done = terminal(*arguments, typed=typed)

    assert done.returncode != 0
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert client.post("/login", data={"username": "principal", "password": typed.strip()}).status_code in (401, 422)


def test_help_lists_the_commands(terminal: Terminal) -> None:
    done = terminal("--help")

    assert done.returncode == 0
    assert "create-admin" in done.stdout


def test_an_unreachable_database_is_reported_in_one_line(terminal: Terminal) -> None:
    terminal.environment["MONGODB_URL"] = "mongodb://127.0.0.1:1/?timeoutMS=200"

    done = terminal("create-admin", "principal", typed=f"{PASSWORD}\n")

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1:1" in done.stderr
