"""The request and response schemas of accounts."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StrictBool,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from core.api import DocumentedPattern, Email, RequestBody
from core.identity import Role
from core.security import MAX_PASSWORD_BYTES, is_hashable
from modules.auth.preparation import prepared_password, prepared_username

MIN_PASSWORD_CHARACTERS = 8

_AT = "2026-11-22T09:30:00.125000Z"
_EMAIL = "alice@example.com"
_USER: dict[str, JsonValue] = {"username": "alice", "email": _EMAIL, "created_at": _AT}
_CODE = "3q2-7wIbKx0mYtB1yBq7sC5qcJH8m5sM9pYwq2sYc4Y"

_USERNAME = r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}"


def is_username(text: str) -> bool:
    """Return whether a text is a valid user name: 3 to 64 ASCII letters, digits and `. _ -`, starting with a letter or
    a digit."""
    return re.fullmatch(_USERNAME, text, re.ASCII) is not None


def _prepare_username(username: Any) -> Any:
    return prepared_username(username) if isinstance(username, str) else username


def _check_username(username: str) -> str:
    if not is_username(username):
        raise PydanticCustomError(
            "username_form",
            "A user name must have 3 to 64 characters (the letters A to Z, digits, '.', '_' and '-') "
            "and start with a letter or a digit.",
        )
    return username


def _check_password(password: SecretStr) -> SecretStr:
    text = prepared_password(password.get_secret_value())
    if len(text) < MIN_PASSWORD_CHARACTERS:
        raise PydanticCustomError("password_short", "A password must have at least 8 characters.")
    if not is_hashable(text):
        raise PydanticCustomError(
            "password_bytes",
            "A password must have at most 72 bytes (72 ASCII letters or 18 emoji) and no NUL character.",
        )
    return SecretStr(text)


def _check_grant_type(grant_type: str) -> str:
    if grant_type not in ("", "password"):
        raise PydanticCustomError("grant_type", "This must be 'password', or be left out.")
    return grant_type


Username = Annotated[
    str,
    BeforeValidator(_prepare_username),
    AfterValidator(_check_username),
    WithJsonSchema({"type": "string", "pattern": f"^{_USERNAME}$", "examples": ["alice"]}),
]

Password = Annotated[
    SecretStr,
    StrictBool,
    AfterValidator(_check_password),
    WithJsonSchema(
        {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "minLength": MIN_PASSWORD_CHARACTERS,
            "maxLength": MAX_PASSWORD_BYTES,
            "examples": ["a quiet harbour"],
        }
    ),
]


def _example(example: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class UserCreate(RequestBody):
    """A new account."""

    model_config = _example({"username": "alice", "email": _EMAIL, "password": "secure123"})

    username: Username
    email: Email
    password: Password


class UserRead(BaseModel):
    """An account, as returned after registration."""

    model_config = ConfigDict(from_attributes=True, **_example(_USER))

    username: str
    email: str
    created_at: datetime


class AccountRead(UserRead):
    """An account, as shown to its owner and to admins."""

    model_config = _example({**_USER, "role": "teacher", "active": True})

    role: Role
    active: bool


class EmailChange(RequestBody):
    """The new e-mail address, and the current password."""

    model_config = _example({"email": "alice.rao@example.com", "current_password": "secure123"})

    email: Email
    current_password: SecretStr


class AccountDeletion(RequestBody):
    """The current password, which confirms the deletion."""

    model_config = _example({"current_password": "secure123"})

    current_password: SecretStr


class PasswordChange(RequestBody):
    """The current and the new password."""

    model_config = _example({"current_password": "secure123", "new_password": "a quiet harbour"})

    current_password: SecretStr
    new_password: Password


class AccountUpdate(RequestBody):
    """The changes to an account. Omitted fields are unchanged."""

    model_config = _example({"role": "viewer"})

    role: Role | None = None
    active: StrictBool | None = None


class ResetCode(BaseModel):
    """A one-time code for a password reset."""

    model_config = _example({"code": _CODE, "expires_at": "2026-11-22T10:30:00.125000Z"})

    code: str
    expires_at: datetime


class PasswordReset(RequestBody):
    """A one-time code and the new password."""

    model_config = _example({"code": _CODE, "new_password": "a quiet harbour"})

    code: Annotated[SecretStr, Field(max_length=200)]
    new_password: Password


class AuthEventRead(BaseModel):
    """An entry of the audit log. `who` is the user who caused the event; `whom` is the user whom it concerns."""

    model_config = ConfigDict(
        from_attributes=True,
        **_example(
            {
                "at": _AT,
                "event": "role_changed",
                "who": "principal",
                "whom": "alice",
                "address": "192.0.2.7",
                "request_id": "b9f3c1a2d4e54f6a8b7c6d5e4f3a2b1c",
                "detail": "teacher → viewer",
            }
        ),
    )

    at: datetime
    event: str
    who: str | None
    whom: str | None
    address: str
    request_id: str
    detail: str | None


class SignIn(BaseModel):
    """The form for sign-in with OAuth (RFC 6749, section 4.3.2). Unknown fields are ignored, and empty fields are
    treated as omitted (section 3.2)."""

    model_config = _example({"grant_type": "password", "username": "alice", "password": "secure123"})

    grant_type: Annotated[
        str,
        AfterValidator(_check_grant_type),
        DocumentedPattern("^(password)?$"),
        Field(description="Must be `password` if present."),
    ] = ""
    username: Annotated[
        str,
        Field(description="The user name or the e-mail address; case, and blanks at the ends, are ignored."),
    ]
    password: SecretStr
    scope: Annotated[str, Field(description="Optional: the user's role determines the permissions of the token.")] = ""
    client_id: Annotated[str, Field(description="Ignored.")] = ""
    client_secret: Annotated[SecretStr, Field(description="Ignored.")] = SecretStr("")


class OAuthProblem(BaseModel):
    """A problem document with the members of an OAuth error (RFC 6749, section 5.2)."""

    error: Annotated[str, Field(description="The OAuth error code, such as `invalid_grant`.")]
    error_description: Annotated[str, Field(description="The same as `detail` or, without it, as `title`.")]


class Token(BaseModel):
    """An access token (RFC 6749, section 5.1)."""

    model_config = _example({"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 1800})

    access_token: Annotated[str, Field(description="The token to send as `Authorization: Bearer …`.")]
    token_type: Literal["bearer"]
    expires_in: Annotated[int, Field(description="Seconds until the token expires.")]
