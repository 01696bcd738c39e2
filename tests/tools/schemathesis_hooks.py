"""How Schemathesis signs in, and keeps its own account out of harm's way."""

import os
from itertools import count
from typing import Any

import requests
import schemathesis
from schemathesis import AuthContext, Case, HookContext

URL = os.environ["SCHOOL_URL"]
ADMIN = os.environ["SCHOOL_ADMIN"]
PASSWORD = os.environ["SCHOOL_PASSWORD"]

# These sign the caller out, or lock the caller out: each call is made by an account of its own.
HARMFUL = {"DELETE /me", "PATCH /me", "POST /me/password", "POST /logout-all"}

_numbers = count(1)
_session = requests.Session()


def _token(username: str) -> str:
    form = {"username": username, "password": PASSWORD}
    answer = _session.post(f"{URL}/login", data=form, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _newcomer() -> str:
    name = f"newcomer-{next(_numbers)}"
    body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    _session.post(f"{URL}/register", json=body, timeout=60).raise_for_status()
    return name


# A token per call: some operations change an account's key, and with it kill its older tokens.
@schemathesis.auth(refresh_interval=None)
class SignIn:
    """Signs in as the admin, or as a newcomer where the call could end the account."""

    def get(self, case: Case, context: AuthContext) -> str:
        return _token(_newcomer() if context.operation.label in HARMFUL else ADMIN)

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Let nobody reset the admin's password by a name that an earlier answer told."""
    if str((case.path_parameters or {}).get("username", "")).lower() == ADMIN:
        case.path_parameters["username"] = _newcomer()
