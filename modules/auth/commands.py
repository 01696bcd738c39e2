"""Commands for a terminal."""

import argparse
import getpass
import sys

from pydantic import ValidationError

from core.command import Command
from core.errors import InvalidRequest
from core.identity import Principal, Role
from modules.auth import administration, admins, audit, service
from modules.auth.audit import Event
from modules.auth.schemas import AccountUpdate, UserCreate

# Whom the audit names for what is done at a terminal.
TERMINAL = Principal("(terminal)", Role.ADMIN)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the user name")
    parser.add_argument("--email", help="the e-mail address (default: NAME@users.invalid)")


async def _create_admin(arguments: argparse.Namespace) -> str:
    """Make an account an admin's; a new one, with a password that is asked for, unless it is there."""
    if await service.find(arguments.name):
        await administration.update(TERMINAL, arguments.name, AccountUpdate(role=Role.ADMIN, active=True))
        return f"{arguments.name} is an admin now. The password is the same as before."
    email = arguments.email or "checked@example.com"
    try:
        data = UserCreate.model_validate({"username": arguments.name, "email": email, "password": _password()})
    except ValidationError as error:
        wrong = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise InvalidRequest(wrong) from None
    if not arguments.email:
        # `.invalid` can never be anyone's address (RFC 2606), and so would not pass as one.
        data = data.model_copy(update={"email": f"{data.username}@users.invalid"})
    user = await service.create(data, Role.ADMIN)
    await admins.enter(user)
    await audit.record(Event.REGISTERED, who=TERMINAL.username, whom=user.username, detail="as admin")
    return f"Made the admin {user.username}."


def _password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")


create_admin = Command(
    name="create-admin",
    help="Make an admin. Asks for the password, or reads it from standard input.",
    add_arguments=_add_arguments,
    run=_create_admin,
)
