"""The terminal command that creates or promotes admins."""

import argparse
import getpass
import select
import sys

from pydantic import ValidationError

from core.api import sentence_of
from core.clock import utc_now
from core.command import Command, CommandError
from core.errors import InvalidRequest
from core.identity import Principal, Role
from modules.auth import admin_roster, audit, service, user_administration
from modules.auth.audit import Event
from modules.auth.models import User
from modules.auth.schemas import AccountUpdate, UserCreate

# The actor that the audit log names for changes made at a terminal.
TERMINAL = Principal("(terminal)", Role.ADMIN)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the user name")
    parser.add_argument(
        "--email", help="the e-mail address (default: NAME@users.invalid); with --promote, it must match"
    )
    parser.add_argument("--promote", action="store_true", help="give an existing account the role admin")
    parser.add_argument("--yes", action="store_true", help="with --promote: do not ask for confirmation")


async def _create_admin(arguments: argparse.Namespace) -> str:
    """Create an admin account with a password from the terminal, or with `--promote`, make an existing account an
    admin."""
    user = await service.find(arguments.name)
    if arguments.promote:
        return await _promote(arguments, user)
    if user:
        raise CommandError(
            f"The account already exists, and anyone may have registered it: {_described(user)}. If it belongs to the "
            "person who should become an admin, add --promote."
        )
    if arguments.yes:
        raise CommandError("--yes requires --promote.")
    return await _create(arguments)


async def _create(arguments: argparse.Namespace) -> str:
    email = arguments.email or "checked@example.com"
    try:
        data = UserCreate.model_validate({"username": arguments.name, "email": email, "password": _password()})
    except ValidationError as error:
        wrong = "; ".join(f"{each['loc'][0]}: {sentence_of(each)}" for each in error.errors(include_input=False))
        raise InvalidRequest(wrong) from None
    if not arguments.email:
        # `.invalid` is reserved (RFC 2606), so this is nobody's address; for the same reason, validation rejects it.
        data = data.model_copy(update={"email": f"{data.username}@users.invalid"})
    user = await create_account(data, Role.ADMIN)
    return f"Created the admin {user.username}."


async def create_account(data: UserCreate, role: Role) -> User:
    """Create an account at a terminal. Raise what `service.create` raises."""
    user = await service.create(data, role)
    if role is Role.ADMIN:
        await admin_roster.add(user)
    await audit.record(Event.REGISTERED, who=TERMINAL.username, whom=user.username, detail=f"as {role}")
    return user


async def _promote(arguments: argparse.Namespace, user: User | None) -> str:
    """Make this account an admin after showing its details, so that the operator can check who registered it."""
    if user is None:
        raise CommandError(f"There is no account {arguments.name}. To create it, omit --promote.")
    if arguments.email and arguments.email.lower() != user.email_key:
        raise CommandError(f"The account has a different e-mail address: {_described(user)}.")
    if not sys.stdin.isatty() and select.select([sys.stdin], [], [], 0)[0] and sys.stdin.readline():
        raise CommandError("--promote takes no password: the account keeps its password.")
    print(f"The account is {_described(user)}.", flush=True)
    if not arguments.yes:
        _confirm(user)
    # Pass the account that was shown, not its name, which may refer to another account by now.
    await user_administration.update_account(TERMINAL, user, AccountUpdate(role=Role.ADMIN, active=True))
    return f"{user.username} is now an admin. The password is unchanged."


def _confirm(user: User) -> None:
    if not sys.stdin.isatty():
        raise CommandError("Confirmation requires a terminal. Check the account above, then add --yes.")
    answer = input(f"Make {user.username} an admin, with its current password? [y/N] ")
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
    help="Create an admin. Prompts for the password, or reads it from standard input.",
    add_arguments=_add_arguments,
    run=_create_admin,
)
