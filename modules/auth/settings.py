"""The settings of accounts."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from core.settings import LongSecret, ModuleSettings


class AuthSettings(ModuleSettings):
    """Settings of registration, tokens, passwords, rate limits and the audit log."""

    registration: Literal["open", "closed"] = "open"
    """Who can create an account: `open`: everyone who reaches the service, who can then also find out which e-mail
    addresses have accounts; `closed`: only admins at a terminal (`python -m core create-admin`). Use `open` for trials
    only."""

    default_role: Literal["teacher", "viewer"] = "teacher"
    """The role of a new account: `teacher` reads and writes students, `viewer` reads them. An admin can change it."""

    access_token_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 365)] = 30
    """How many minutes an access token is valid."""

    session_max_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 12
    """For how many hours after the password was last given a token can be renewed."""

    issuer: str | None = None
    """The issuer (`iss`) of the service's tokens. When set, tokens of another issuer, or of none, are rejected."""

    token_pepper: LongSecret | None = None
    """A secret of 32 characters or more that is mixed into every signing key, so that a stolen database is not enough
    to forge tokens. A new value signs everyone out. Generate one with `python3 -c "import secrets;
    print(secrets.token_hex(32))"`."""

    bcrypt_cost: Annotated[int, Field(ge=4, le=31)] = 12
    """The cost of a password hash; each step doubles the time. 12 takes about 0.25 s of a core. Hashes of a lower cost
    are renewed when their user signs in."""

    password_min_score: Annotated[int, Field(ge=0, le=4)] = 1
    """The least score that a new password must have, from 0 (anything) to 4 (very hard to guess), as zxcvbn rates it.
    """

    login_failures: Annotated[int, Field(ge=1)] = 5
    """The number of failed sign-ins that blocks a user for the address that they came from."""

    login_failures_per_address: Annotated[int, Field(ge=1)] = 20
    """The number of failed sign-ins that blocks an address, whatever the user names. Raise it for a school behind one
    address."""

    login_attempts_per_address: Annotated[int, Field(ge=1)] = 300
    """The number of attempts with a password or a one-time code, successful or not, that blocks an address. Each
    attempt costs a hash (`BCRYPT_COST`). Raise it for a school with more people behind one address."""

    registrations_per_address: Annotated[int, Field(ge=1)] = 20
    """The number of attempts to register, successful or not, that blocks an address."""

    login_window_minutes: Annotated[int, Field(ge=1, le=60 * 24)] = 5
    """For how many minutes failures and attempts count, from the first one. A block ends with them."""

    auth_cache_seconds: Annotated[float, Field(ge=0, le=300)] = 5
    """For how many seconds a verified token is accepted without a query. A change of the account ends this at once in
    the process that makes it, and in the others as soon as MongoDB reports it. A standalone MongoDB reports nothing:
    there, other processes accept the token for reads for these seconds. 0: every request queries the database."""

    audit_days: Annotated[int, Field(ge=1)] = 365
    """For how many days the audit log is kept."""

    def warnings(self) -> Sequence[str]:
        """Warn if anyone can register an account, which can read and possibly change all students."""
        if self.registration == "closed":
            return []
        able = "change" if self.default_role == "teacher" else "read"
        risk = f"Anyone who can reach the service can register, {able} all students, and find out who has an account."
        return [f"{risk} Set REGISTRATION=closed, except for a trial."]
