"""Settings, read from the environment and from `.env`: the process-wide ones, and those that a module declares."""

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import StartupError
from core.ip_addresses import unmapped_network

_HOW = SettingsConfigDict(
    env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
)

Kind = TypeVar("Kind", bound=BaseSettings)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Written as `one,two`."""

_Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_.-]+$|^\[[0-9A-Fa-f:.]+\]$")]
_Proxies = Annotated[IPvAnyNetwork, AfterValidator(unmapped_network)]
_Origin = Annotated[str, Field(pattern=r"^\*$|^https?://[^/\s]+$")]


MIN_SECRET_CHARACTERS = 32
MAX_CONNECTIONS = 2000


def _check_length(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET_CHARACTERS:
        raise _refused(f"a secret has at least {MIN_SECRET_CHARACTERS} characters")
    return secret


LongSecret = Annotated[SecretStr, AfterValidator(_check_length)]
"""A secret that nobody can guess by trying: what people think up instead of having it made is too short."""


class ModuleSettings(BaseSettings):
    """Base of a module's own settings: `class CourseSettings(ModuleSettings, env_prefix="COURSES_")`, which the module
    declares as its `settings`, and reads with `CourseSettings.current()`."""

    model_config = _HOW

    @classmethod
    def current(cls) -> Self:
        """Those of the app that handles this request; see `current_settings`."""
        return current_settings().part(cls)

    def warnings(self) -> Sequence[str]:
        """What of these settings is doubtful in production, in sentences for the log."""
        return ()


class ModuleSelection(BaseSettings):
    """What must be known before the modules are found, and with them what settings there are. Any text will do."""

    model_config = _HOW

    modules_disabled: Names = ()


class Settings(ModuleSelection):
    """Every process-wide setting with its default. `.env.example` explains each one to the person who runs the
    service."""

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = MAX_CONNECTIONS
    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000)] = 500
    tls_certfile: FilePath | None = None
    tls_keyfile: Annotated[FilePath | None, Field(validate_default=True)] = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] | None = None
    docs: Literal["on", "off"] = "on"
    telemetry: Literal["on", "off"] = "off"
    allowed_hosts: Annotated[tuple[_Host, ...], NoDecode, BeforeValidator(_split)] = ()
    cors_origins: Annotated[tuple[_Origin, ...], NoDecode, BeforeValidator(_split)] = ()
    cors_credentials: bool = False
    require_if_match: bool = False
    metrics_token: Annotated[LongSecret | None, Field(validate_default=True)] = None

    # A MongoDB URL may hold a password, so it is never printed.
    mongodb_url: Annotated[SecretStr | None, Field(validate_default=True)] = None
    mongodb_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = "student_management"
    data_dir: Path = Path("data")
    mongod_bin: Path | None = None
    allow_memory_db: bool = False
    migration_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 0

    # Written as `10.0.0.0/8,192.0.2.7`.
    trusted_proxies: Annotated[tuple[_Proxies, ...], NoDecode, BeforeValidator(_split)] = ()

    _parts: dict[type[BaseSettings], BaseSettings] = PrivateAttr(default_factory=dict)

    # What does not go together. Each is told of the later field, as the earlier ones are known by then.

    @field_validator("tls_keyfile")
    @classmethod
    def _come_in_pairs(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_certfile" in info.data and (key is None) != (info.data["tls_certfile"] is None):
            raise _refused("TLS needs both, TLS_CERTFILE and TLS_KEYFILE")
        return key

    @field_validator("cors_credentials")
    @classmethod
    def _trust_no_stranger(cls, credentials: bool, info: ValidationInfo) -> bool:
        if credentials and "*" in info.data.get("cors_origins", ()):
            raise _refused("credentials are for origins that CORS_ORIGINS names, never for * (any)")
        return credentials

    @field_validator("metrics_token")
    @classmethod
    def _need_a_token_in_production(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A request from this machine proves nothing: whatever comes through a proxy on it looks the same.
        if token is None and info.data.get("environment") == "production":
            raise _refused("ENVIRONMENT=production needs a token for /metrics, which a proxy would let anyone read")
        return token

    @field_validator("mongodb_url")
    @classmethod
    def _last_in_production(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if url is None and info.data.get("environment") == "production":
            raise _refused("ENVIRONMENT=production needs a MongoDB server; the embedded one and memory are for trying")
        return url

    def part(self, kind: type[Kind]) -> Kind:
        """A module's settings, which are read once. Raises `StartupError`."""
        # As an attribute, what is private would take microseconds, for each mark that is checked.
        parts: dict[type[BaseSettings], Any] = (self.__pydantic_private__ or {})["_parts"]
        if kind not in parts:
            self.read_parts([kind])
        part: Kind = parts[kind]
        return part

    def read_parts(self, kinds: Sequence[type[BaseSettings]]) -> None:
        """Read the settings of some modules now. Raises `StartupError` that names every one that is wrong."""
        for part in _read([kind for kind in kinds if kind not in self._parts]):
            self._parts[type(part)] = part

    def value_of(self, variable: str) -> Any:
        """The setting that is read from this variable, be it one of a module; raises `KeyError`."""
        for part in self.parts:
            if field := variables(type(part)).get(variable):
                return getattr(part, field)
        raise KeyError(variable)

    def warnings(self) -> list[str]:
        """What the modules find doubtful in production, of the settings that they have read."""
        return [text for part in self._parts.values() if isinstance(part, ModuleSettings) for text in part.warnings()]

    @property
    def parts(self) -> list[BaseSettings]:
        """All that have been read: the process-wide ones, and those of modules."""
        return [self, *self._parts.values()]

    def with_parts(self, *parts: BaseSettings) -> "Settings":
        """The same, with these for the settings of some modules."""
        copy = self.model_copy()
        copy._parts = {**self._parts, **{type(part): part for part in parts}}  # noqa: SLF001 (that of a copy of ours)
        return copy


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """The environment variables that settings are read from, each with its field."""
    prefix = kind.model_config.get("env_prefix", "")
    return {f"{prefix}{field}".upper(): field for field in kind.model_fields}


def read_settings(kinds: Sequence[type[BaseSettings]] = (), wrong: Sequence[str] = ()) -> Settings:
    """The process-wide settings from the environment, and those of some modules; raises `StartupError` that names
    every one that is wrong, and what else is found to be."""
    settings, *parts = _read([Settings, *kinds], wrong)
    assert isinstance(settings, Settings)
    return settings.with_parts(*parts)


def _refused(why: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{why}", {"why": why})


def _read(kinds: Sequence[type[BaseSettings]], also: Sequence[str] = ()) -> list[BaseSettings]:
    found, wrong = list[BaseSettings](), list[str]()
    for kind in kinds:
        try:
            found.append(kind())
        except ValidationError as error:
            names = {field: name for name, field in variables(kind).items()}
            for one in error.errors(include_input=False):
                field = str(one["loc"][0]) if one["loc"] else kind.__name__  # of the whole, or by an alias
                wrong.append(f"{names.get(field, field)}: {one['msg']}")
    if wrong := [*wrong, *also]:
        raise StartupError(f"Settings cannot be used: {'; '.join(wrong)}. See .env.example.")
    return found


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
