"""Process-wide settings, read from the environment and from `.env`."""

import re
from contextvars import ContextVar
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import StartupError


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _read_grades(value: object) -> object:
    """Grades with their thresholds, from `A:80,B:70,F:0`; raises `ValueError` in words for who wrote them."""
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    pairs = [re.fullmatch(r"([^:\s]{1,8}) *: *(\d{1,3}(?:\.\d{1,2})?)", part, re.ASCII) for part in parts]
    grades = tuple((pair[1], Decimal(pair[2])) for pair in pairs if pair)
    names, thresholds = [name for name, _ in grades], [threshold for _, threshold in grades]
    if len(grades) < len(parts):
        raise ValueError("write each grade and its least percentage, such as A:80,B:70,F:0")
    if len(set(names)) < len(names):
        raise ValueError("a grade is there twice")
    if thresholds != sorted(set(thresholds), reverse=True) or thresholds[0] > 100 or thresholds[-1] != 0:
        raise ValueError("percentages must fall from 100 at most, and the last one must be 0")
    return grades


_GRADES = {"A": 80, "B": 70, "C": 60, "D": 50, "E": 40, "F": 0}


class Settings(BaseSettings):
    """Every setting with its default. `.env.example` explains each one to the person who runs the service."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    import_max_bytes: Annotated[int, Field(ge=1)] = 200_000_000
    import_days: Annotated[int, Field(ge=1)] = 30

    # A MongoDB URL may hold a password, so it is never printed.
    mongodb_url: SecretStr | None = None
    mongodb_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = "student_management"
    data_dir: Path = Path("data")
    mongod_bin: Path | None = None
    allow_memory_db: bool = False

    # Written as `10.0.0.0/8,192.0.2.7`.
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)] = ()

    registration: Literal["open", "closed"] = "open"
    default_role: Literal["teacher", "viewer"] = "teacher"
    access_token_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 365)] = 30
    session_max_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 12
    issuer: str | None = None
    token_pepper: SecretStr | None = None
    bcrypt_cost: Annotated[int, Field(ge=4, le=31)] = 12
    password_min_score: Annotated[int, Field(ge=0, le=4)] = 1
    login_failures: Annotated[int, Field(ge=1)] = 5
    login_failures_per_address: Annotated[int, Field(ge=1)] = 20
    login_window_minutes: Annotated[int, Field(ge=1, le=60 * 24)] = 5
    audit_days: Annotated[int, Field(ge=1)] = 365
    require_if_match: bool = False
    marks_max: Annotated[float, Field(gt=0, le=1_000_000)] = 100
    # Best first, each with the least percentage of the highest mark; written as `A:80,B:70,F:0`.
    grades: Annotated[tuple[tuple[str, Decimal], ...], NoDecode, BeforeValidator(_read_grades)] = tuple(
        (grade, Decimal(least)) for grade, least in _GRADES.items()
    )


def read_settings() -> Settings:
    """Settings from the environment; raises `StartupError` that names every setting that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False))
        raise StartupError(f"Settings cannot be used: {wrong}. See .env.example.") from None


_current: ContextVar[Settings] = ContextVar("settings")

use_settings = _current.set


def current_settings() -> Settings:
    """The settings of the app that handles this request; outside of any app, those of the environment.

    Ambient, so that services and validators need not hand them down; per context, so that two apps in one process
    (as in tests) do not mix.
    """
    try:
        return _current.get()
    except LookupError:
        settings = read_settings()
        use_settings(settings)
        return settings
