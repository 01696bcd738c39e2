"""Commands for a terminal."""

import argparse
import getpass
import select
import sys

from pydantic import ValidationError

from core.clock import utc_now
from core.command import Command, CommandError
from core.errors import InvalidRequest
from core.identity import Principal, Role
from modules.auth import admin_roster, audit, service, user_administration
from modules.auth.audit import Event
from modules.auth.models import User
from modules.auth.schemas import AccountUpdate, UserCreate

# Whom the audit names for what is done at a terminal.
TERMINAL = Principal("(terminal)", Role.ADMIN)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the user name")
    parser.add_argument(
        "--email", help="the e-mail address (default: NAME@users.invalid); with --promote, it must match"
    )
    parser.add_argument("--promote", action="store_true", help="make an existing account an admin's")
    parser.add_argument("--yes", action="store_true", help="with --promote: do not ask for confirmation")


async def _create_admin(arguments: argparse.Namespace) -> str:
    """Make a new admin, with a password that is asked for; or, with `--promote`, an existing account an admin's."""
    user = await service.find(arguments.name)
    if arguments.promote:
        return await _promote(arguments, user)
    if user:
        raise CommandError(
            f"There is an account already, which anybody may have registered: {_described(user)}. If it belongs to the "
            "person who is to be an admin, add --promote."
        )
    if arguments.yes:
        raise CommandError("--yes is for --promote.")
    return await _create(arguments)


async def _create(arguments: argparse.Namespace) -> str:
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
    await admin_roster.enter(user)
    await audit.record(Event.REGISTERED, who=TERMINAL.username, whom=user.username, detail="as admin")
    return f"Made the admin {user.username}."


async def _promote(arguments: argparse.Namespace, user: User | None) -> str:
    """Make this very account an admin's, after showing whose it is: who registered a name is not known otherwise."""
    if user is None:
        raise CommandError(f"There is no account {arguments.name}. Without --promote, it is made.")
    if arguments.email and arguments.email.lower() != user.email_key:
        raise CommandError(f"This account has another e-mail address: {_described(user)}.")
    if not sys.stdin.isatty() and select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
        raise CommandError("--promote takes no password: that of the account stays.")
    print(f"The account is {_described(user)}.", flush=True)
    if not arguments.yes:
        _confirm(user)
    # Exactly the account that was shown, not one that got its name meanwhile.
    await user_administration.update_account(TERMINAL, user, AccountUpdate(role=Role.ADMIN, active=True))
    return f"{user.username} is an admin now. The password is the same as before."


def _confirm(user: User) -> None:
    if not sys.stdin.isatty():
        raise CommandError("Nobody can be asked for confirmation here. Look at the account, and add --yes.")
    answer = input(f"Make {user.username} an admin, with the password that it has? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")


def _described(user: User) -> str:
    state = "active" if user.active else "deactivated"
    days = (utc_now() - user.created_at).days
    return (
        f"{user.username} ({user.email}, {user.role}, {state}, registered on {user.created_at:%Y-%m-%d at %H:%M} UTC, "
        f"{days} days ago)"
    )


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
