"""Process-wide settings and module settings, read from the environment and from `.env`."""

from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
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

from core.collation import LANGUAGES, ROOT
from core.errors import StartupError
from core.ip_addresses import unmapped_network

_CONFIG = SettingsConfigDict(
    env_file=".env",
    env_ignore_empty=True,
    extra="ignore",
    frozen=True,
    use_attribute_docstrings=True,
    hide_input_in_errors=True,
)

Kind = TypeVar("Kind", bound=BaseSettings)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""A comma-separated list, such as `one,two`."""

_Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_.-]+$|^\[[0-9A-Fa-f:.]+\]$")]
_Proxies = Annotated[IPvAnyNetwork, AfterValidator(unmapped_network)]
_Origin = Annotated[str, Field(pattern=r"^\*$|^https?://[^/\s]+$")]


# A local client address proves nothing for /metrics: requests through a proxy on this machine have one, too.
_PRODUCTION_REQUIRES = {
    "metrics_token": "a token for /metrics, as a proxy would make it public",
    "mongodb_url": "a MongoDB server; the embedded and in-memory databases are for trials",
}

MIN_SECRET_CHARACTERS = 32
MAX_CONNECTIONS = 2000


def _check_length(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET_CHARACTERS:
        raise _invalid(f"a secret must have at least {MIN_SECRET_CHARACTERS} characters")
    return secret


def _check_language(language: str) -> str:
    if language not in LANGUAGES:
        raise _invalid(f"it must be one of {', '.join(LANGUAGES)}")
    return language


LongSecret = Annotated[SecretStr, AfterValidator(_check_length)]
"""A secret that is long enough to resist guessing. The minimum length excludes most hand-written secrets, which should
be generated instead."""


class ModuleSettings(BaseSettings):
    """Base class of a module's settings.

    A module defines `class CourseSettings(ModuleSettings, env_prefix="COURSES_")`, declares it as its `settings`, and
    reads the values with `CourseSettings.current()`.
    """

    model_config = _CONFIG

    @classmethod
    def current(cls) -> Self:
        """Return these settings of the app that handles this request; see `current_settings`."""
        return current_settings().part(cls)

    def warnings(self) -> Sequence[str]:
        """Return a warning for each value that is unsafe in production; the warnings are logged at startup."""
        return ()


class ModuleSelection(BaseSettings):
    """The setting that is read before the modules are discovered, as their settings are not known until then."""

    model_config = _CONFIG

    modules_disabled: Names = ()
    """Modules to leave out, such as `transfers,analytics`. A module that imports one of them is left out, too."""


class Settings(ModuleSelection):
    """Every process-wide setting. `python -m core settings` makes the documentation from the texts below them."""

    environment: Literal["development", "production"] = "development"
    """`production` refuses to start without `MONGODB_URL` and `METRICS_TOKEN`, and warns of settings that are meant for
    trials."""

    host: str = "127.0.0.1"
    """The address that `python main.py` listens on. `0.0.0.0` is every IPv4 network of this machine, `::` every IPv6
    and IPv4 network. (`uvicorn main:app` has its own `--host`, `--port`, `--workers` and `--ssl-...`.)"""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port that `python main.py` listens on. 0 takes a free port and logs it."""

    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """The number of processes that serve. One for each core is a good start."""

    locale: Annotated[str, AfterValidator(_check_language)] = ROOT
    """The language in whose alphabetical order names are sorted, such as `da` or `sv`. `root` is the order of the
    Unicode Collation Algorithm, which suits most languages. Another value needs `python -m core migrate`."""

    max_body_bytes: Annotated[int, Field(ge=1)] = 1_000_000
    """The largest request body, in bytes. A larger one gets 413."""

    max_connections: Annotated[int, Field(ge=1, le=100_000)] = MAX_CONNECTIONS
    """The number of connections that a process serves (`python main.py`). On the next 500 connections, each request
    gets 503; further ones are closed."""

    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000)] = 500
    """The number of requests that a process works on at once. More get 503 and `Retry-After`; `/healthz`, `/readyz` and
    `/metrics` always respond. Requests that wait for a slow client, and streams, do not count."""

    tls_certfile: FilePath | None = None
    """The TLS certificate and its chain, a PEM file, to serve HTTPS without a proxy."""

    tls_keyfile: Annotated[FilePath | None, Field(validate_default=True)] = None
    """The private key of the TLS certificate, a PEM file without a password."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe log messages that are written, to standard error: `DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    log_format: Literal["json", "text"] | None = None
    """`json` writes a JSON object per line, `text` is for people. Empty: `text` at a terminal, `json` elsewhere."""

    docs: Literal["on", "off"] = "on"
    """`off` serves no `/docs`, `/redoc`, `/openapi.json` and `/problems`."""

    telemetry: Literal["on", "off"] = "off"
    """`on` sends a trace of each request to an OpenTelemetry collector: route, method, status and duration, but no
    address and no body. Needs `pip install -r requirements-telemetry.txt`. OpenTelemetry's own variables, such as
    `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_TRACES_SAMPLER`, configure it; set them in the environment, not in this
    file."""

    allowed_hosts: Annotated[tuple[_Host, ...], NoDecode, BeforeValidator(_split)] = ()
    """The host names that the service accepts, such as `api.example.com,*.school.example`. A request with another
    `Host` gets 400, except for `/healthz` and `/readyz`. Empty: any."""

    cors_origins: Annotated[tuple[_Origin, ...], NoDecode, BeforeValidator(_split)] = ()
    """The origins whose pages may call the API from a browser, such as `https://app.example.com`. `*` is any. Empty:
    none."""

    cors_credentials: bool = False
    """1 allows these pages to send cookies and client certificates. The API does not use them, but a proxy in front
    may. Not allowed with `CORS_ORIGINS=*`."""

    require_if_match: bool = False
    """1 rejects a change of a student without `If-Match` (428), so that nobody overwrites a state they have not seen.
    """

    metrics_token: Annotated[LongSecret | None, Field(validate_default=True)] = None
    """The token that `/metrics` requires as `Authorization: Bearer ...`, of 32 characters or more. Empty: `/metrics`
    responds only to requests from this machine to one of its local names, such as `localhost`, without a sign of a
    proxy; production refuses that. Generate one with `python3 -c "import secrets; print(secrets.token_hex(32))"`."""

    # A MongoDB URL may contain a password, so it is never printed.
    mongodb_url: Annotated[SecretStr | None, Field(validate_default=True)] = None
    """A MongoDB server to use, such as `mongodb://localhost:27017`. Options in the URL take precedence over those of
    the service (majority writes, journalled, timeouts of five seconds). Empty: an embedded MongoDB is started."""

    mongodb_database: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,38}$")] = "student_management"
    """The name of the database."""

    data_dir: Path = Path("data")
    """The folder in which the embedded MongoDB keeps its data, its log and its socket. No other user may have write
    access."""

    mongod_bin: Path | None = None
    """The mongod program to embed. Empty: the one on `PATH`, or else the one that requirements.txt installs."""

    allow_memory_db: bool = False
    """1 allows a database in memory where no mongod runs. All data is lost at exit."""

    migration_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 0
    """How many seconds a start waits for `python -m core migrate` to finish when the database is older than the code. 0
    refuses the start at once."""

    # Written as `10.0.0.0/8,192.0.2.7`.
    trusted_proxies: Annotated[tuple[_Proxies, ...], NoDecode, BeforeValidator(_split)] = ()
    """The proxies whose `X-Forwarded-For` is trusted: addresses or networks, such as `10.0.0.0/8,192.0.2.7`. Empty:
    none. With `uvicorn main:app`, add `--no-proxy-headers`; otherwise the service turns that option off and logs a
    warning."""

    _parts: dict[type[BaseSettings], BaseSettings] = PrivateAttr(default_factory=dict)

    # Validators across fields. Each is attached to the later field, since the earlier fields are validated by then.

    @field_validator("tls_keyfile")
    @classmethod
    def _require_tls_pair(cls, key: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_certfile" in info.data and (key is None) != (info.data["tls_certfile"] is None):
            raise _invalid("TLS requires both TLS_CERTFILE and TLS_KEYFILE")
        return key

    @field_validator("cors_credentials")
    @classmethod
    def _restrict_cors_credentials(cls, credentials: bool, info: ValidationInfo) -> bool:
        if credentials and "*" in info.data.get("cors_origins", ()):
            raise _invalid("credentials are only allowed for origins that CORS_ORIGINS names, not for * (any origin)")
        return credentials

    @field_validator("metrics_token", "mongodb_url")
    @classmethod
    def _require_in_production(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("environment") == "production":
            raise _invalid(f"ENVIRONMENT=production requires {_PRODUCTION_REQUIRES[str(info.field_name)]}")
        return value

    def part(self, kind: type[Kind]) -> Kind:
        """Return a module's settings, which are read once. Raise `StartupError` if a value is invalid."""
        # Pydantic takes microseconds to read a private attribute, and each validation of a mark reads this one.
        parts: dict[type[BaseSettings], Any] = (self.__pydantic_private__ or {})["_parts"]
        if kind not in parts:
            self.read_parts([kind])
        part: Kind = parts[kind]
        return part

    def read_parts(self, kinds: Sequence[type[BaseSettings]]) -> None:
        """Read the settings of some modules now. Raise `StartupError` that lists every invalid value."""
        for part in _read([kind for kind in kinds if kind not in self._parts]):
            self._parts[type(part)] = part

    def value_of(self, variable: str) -> Any:
        """Return the value of the setting with this environment variable, also of modules; raise `KeyError`."""
        for part in self.parts:
            if field := variables(type(part)).get(variable):
                return getattr(part, field)
        raise KeyError(variable)

    def warnings(self) -> list[str]:
        """Return the warnings of all module settings that have been read."""
        return [text for part in self._parts.values() if isinstance(part, ModuleSettings) for text in part.warnings()]

    @property
    def parts(self) -> list[BaseSettings]:
        """Return all settings that have been read: the process-wide settings, then those of modules."""
        return [self, *self._parts.values()]

    def with_parts(self, *parts: BaseSettings) -> "Settings":
        """Return a copy in which these replace the settings of some modules."""
        copy = self.model_copy()
        copy._parts = {**self._parts, **{type(part): part for part in parts}}  # noqa: SLF001 (a copy of our own object)
        return copy


def variables(kind: type[BaseSettings]) -> dict[str, str]:
    """Return the environment variables of a settings class, each with its field name. A field with aliases has these
    in place of its own name, without the prefix."""
    prefix = kind.model_config.get("env_prefix", "")
    return {
        name.upper(): field
        for field, declared in kind.model_fields.items()
        for name in _aliases(declared.validation_alias) or [f"{prefix}{field}"]
    }


def _aliases(declared: str | AliasPath | AliasChoices | None) -> list[str]:
    if declared is None:
        return []
    choices = declared.choices if isinstance(declared, AliasChoices) else [declared]
    return [str(one.path[0]) if isinstance(one, AliasPath) else one for one in choices]


def read_settings(kinds: Sequence[type[BaseSettings]] = (), errors: Sequence[str] = ()) -> Settings:
    """Return the process-wide settings from the environment, with the settings of some modules.

    Raise `StartupError` that lists every invalid value, and the further errors in `errors`.
    """
    settings, *parts = _read([Settings, *kinds], errors)
    assert isinstance(settings, Settings)
    return settings.with_parts(*parts)


def _invalid(why: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{why}", {"why": why})


def _read(kinds: Sequence[type[BaseSettings]], further_errors: Sequence[str] = ()) -> list[BaseSettings]:
    found, errors = list[BaseSettings](), list[str]()
    for kind in kinds:
        try:
            found.append(kind())
        except ValidationError as error:
            names = {field: name for name, field in variables(kind).items()}
            for one in error.errors(include_input=False):
                # An error about the whole model has no location, and an alias is not among the field names.
                field = str(one["loc"][0]) if one["loc"] else kind.__name__
                errors.append(f"{names.get(field, field)}: {one['msg']}")
    if errors := [*errors, *further_errors]:
        raise StartupError(f"Invalid settings: {'; '.join(errors)}. See .env.example.")
    return found


_current: ContextVar[Settings] = ContextVar("settings")

use_settings = _current.set


def current_settings() -> Settings:
    """Return the settings of the app that handles this request; outside of any app, those of the environment.

    The settings are in a context variable, so that services and validators need not pass them on, and so that two apps
    in one process (as in tests) have separate settings.
    """
    try:
        return _current.get()
    except LookupError:
        settings = read_settings()
        use_settings(settings)
        return settings
