"""The settings of accounts."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from core.settings import LongSecret, ModuleSettings


class AuthSettings(ModuleSettings):
    """Settings of registration, tokens, passwords, rate limits and the audit log."""

    registration: Literal["open", "closed"] = "open"
    default_role: Literal["teacher", "viewer"] = "teacher"
    access_token_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 365)] = 30
    session_max_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 12
    issuer: str | None = None
    token_pepper: LongSecret | None = None
    bcrypt_cost: Annotated[int, Field(ge=4, le=31)] = 12
    password_min_score: Annotated[int, Field(ge=0, le=4)] = 1
    login_failures: Annotated[int, Field(ge=1)] = 5
    login_failures_per_address: Annotated[int, Field(ge=1)] = 20
    login_attempts_per_address: Annotated[int, Field(ge=1)] = 300
    registrations_per_address: Annotated[int, Field(ge=1)] = 20
    login_window_minutes: Annotated[int, Field(ge=1, le=60 * 24)] = 5
    auth_cache_seconds: Annotated[float, Field(ge=0, le=300)] = 5
    audit_days: Annotated[int, Field(ge=1)] = 365

    def warnings(self) -> Sequence[str]:
        """Warn if anyone can register an account, which can read and possibly change all students."""
        if self.registration == "closed":
            return []
        able = "change" if self.default_role == "teacher" else "read"
        risk = f"Anyone who can reach the service can register, {able} all students, and find out who has an account."
        return [f"{risk} Set REGISTRATION=closed, except for a trial."]
