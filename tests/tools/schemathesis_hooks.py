"""How Schemathesis signs in, keeps its own account out of harm's way, and knows what no schema can tell."""

import os
from itertools import count
from typing import Any
from urllib.parse import unquote

import schemathesis
from schemathesis import AuthContext, Case, GenerationMode, HookContext, SerializationContext

from core.security import MAX_PASSWORD_BYTES
from tests.tools.school import ADMIN, PASSWORD, Accounts

URL = os.environ["SCHOOL_URL"]

# These sign the caller out, or lock the caller out: each call is made by an account of its own.
HARMFUL = {"DELETE /me", "PATCH /me", "POST /me/password", "POST /logout-all"}

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
MAX_QUERY = 3_000
MAX_SUBJECT = 64

TEXTS = {"text/csv", "application/x-ndjson", XLSX, ODS}

_numbers = count(1)
_accounts = Accounts(URL)


# A token per call: some operations change an account's key, and with it kill its older tokens.
@schemathesis.auth(refresh_interval=None)
class SignIn:
    """Signs in as the admin, or as a newcomer where the call could end the account."""

    def get(self, _: Case[Any], context: AuthContext) -> str:
        return _accounts.token(_accounts.newcomer() if context.operation.label in HARMFUL else ADMIN)

    def set(self, case: Case[Any], data: str, _: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.serializer("application/x-ndjson", XLSX, ODS)
def lines(context: SerializationContext, value: Any) -> bytes:
    """A file goes out as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Spare the admin, and let a request that should be accepted be one that can be."""
    if str(case.path_parameters.get("username", "")).lower() == ADMIN:
        # By a name that an earlier answer told, the tester could reset its own password.
        case.path_parameters["username"] = _accounts.newcomer()
    if case.media_type in TEXTS and not isinstance(case.body, str):
        # What is no text would become one on its way; an empty file is refused as well.
        case.body = ""
    # The server refuses a head of more than 32 KB before it knows the operation.
    for name, values in case.query.items():
        if isinstance(values, list) and sum(map(len, map(str, values))) > MAX_QUERY:
            case.query[name] = values[:1]
    if case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        _make_acceptable(case)
    else:
        # The maximum length holds for what is left without the blanks at both ends. Some values are encoded already.
        if isinstance(subject := case.path_parameters.get("subject"), str) and len(subject) > MAX_SUBJECT:
            case.path_parameters["subject"] = unquote(subject).replace(" ", "-")
        if isinstance(case.body, dict):
            case.body |= {field: _filled(case.body[field]) for field in ("name", "aliases") if field in case.body}


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return value.replace(" ", "-") if isinstance(value, str) and len(value) > MAX_SUBJECT else value


def _make_acceptable(case: Case[Any]) -> None:
    """Put in what no schema can tell."""
    # A key that came before with another request is refused.
    for name in [name for name in case.headers if name.lower() == "idempotency-key"]:
        case.headers[name] = f"request {next(_numbers)}"
    if isinstance(case.body, dict):
        body: dict[str, Any] = case.body
        _round_marks(body)
        # A password is limited in bytes.
        for name in {"password", "new_password"} & set(body):
            body[name] = body[name].replace("\0", "0").encode()[:MAX_PASSWORD_BYTES].decode(errors="ignore")
        body |= _secrets(case.operation.label)


def _round_marks(body: dict[str, Any]) -> None:
    """Round marks to two decimals. In a schema, `multipleOf: 0.01` would refuse 0.07, as clients divide."""
    for marks in (body, body.get("marks")):
        if isinstance(marks, dict):
            marks |= {name: round(mark, 2) for name, mark in marks.items() if isinstance(mark, float)}


def _secrets(operation: str) -> dict[str, str]:
    """What only a user knows."""
    match operation:
        case "POST /login":
            return {"username": ADMIN, "password": PASSWORD}
        case "POST /me/password" | "PATCH /me" | "DELETE /me":
            return {"current_password": PASSWORD}
        case "POST /password-reset":
            return {"code": _reset_code()}
        case _:
            return {}


def _reset_code() -> str:
    path = f"/users/{_accounts.newcomer()}/password-reset"
    return str(_accounts.ask("POST", path, token=_accounts.token(ADMIN))["code"])
