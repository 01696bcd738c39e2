"""Tests of settings: they are read from the environment, and invalid ones are refused with a message."""

import re
from contextvars import Context
from pathlib import Path
from typing import Annotated

import pytest
from fastapi.testclient import TestClient
from pydantic import AliasChoices, Field, SecretStr, ValidationError

from core.app import create_app
from core.cli.check import effective
from core.errors import StartupError
from core.routing.router import PublicRouter
from core.settings import ModuleSettings, Settings, current_settings, read_settings, variables
from tests.conftest import settings_of_modules
from tests.core.stubs import stub, unstarted_client


class SeatSettings(ModuleSettings, env_prefix="SEATS_"):
    """The settings of an example module."""

    least: int = 1
    most: int = 30


INVALID = {
    "PORT": "hunter2",
    "LOG_LEVEL": "LOUD",
    "MAX_BODY_BYTES": "0",
    "MONGODB_DATABASE": "a b",
    "ALLOW_MEMORY_DB": "hunter2",
    "MIGRATION_WAIT_SECONDS": "-1",
    "METRICS_TOKEN": "hunter2",
}
INVALID_OF_MODULES = {
    "ACCESS_TOKEN_MINUTES": "0",
    "BCRYPT_COST": "3",
    "MARKS_MAX": "nan",
    "IMPORT_DAYS": "hunter2",
    "TOKEN_PEPPER": "hunter2",
}


def read_all() -> dict[str, object]:
    """Return every setting by its variable: the process-wide ones, and those of the modules."""
    settings = read_settings()
    settings.read_parts(settings_of_modules())
    everything: list[Settings | ModuleSettings] = [settings, *(settings.part(kind) for kind in settings_of_modules())]
    return {name: getattr(part, field) for part in everything for name, field in variables(type(part)).items()}


@pytest.mark.parametrize("invalid", [INVALID, INVALID_OF_MODULES], ids=["process-wide", "of modules"])
def test_all_invalid_settings_are_named_at_once(invalid: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in invalid.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartupError) as raised:
        read_all()
    text = str(raised.value)
    assert set(re.findall(r"([A-Z_]+): ", text)) == set(invalid)
    assert "\n" not in text
    assert "hunter2" not in text
    assert raised.value.__context__ is None, "a traceback would show pydantic's message"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_TOKEN", "x" * 31),
        ("TOKEN_PEPPER", "x" * 31),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "80.5"),
        ("MAX_BODY_BYTES", "-1"),
        ("MONGODB_DATABASE", "a.b"),
        ("MONGODB_DATABASE", "a/b"),
        ("MONGODB_DATABASE", "a$b"),
        ("MONGODB_DATABASE", "x" * 39),
        ("MONGODB_DATABASE", "x\n"),
        ("ACCESS_TOKEN_MINUTES", "525601"),
        ("BCRYPT_COST", "32"),
        ("MARKS_MAX", "0"),
        ("MARKS_MAX", "-5"),
        ("MARKS_MAX", "inf"),
        ("MARKS_MAX", "1000001"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=rf"\b{name}: "):
        read_all()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HOST", "0.0.0.0", "0.0.0.0"),
        ("PORT", "0", 0),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("MAX_BODY_BYTES", "1", 1),
        ("MONGODB_DATABASE", "x" * 38, "x" * 38),
        ("DATA_DIR", "/srv/data", Path("/srv/data")),
        ("MONGOD_BIN", "/opt/mongod", Path("/opt/mongod")),
        ("ALLOW_MEMORY_DB", "1", True),
        ("METRICS_TOKEN", "x" * 32, SecretStr("x" * 32)),
        ("ACCESS_TOKEN_MINUTES", "525600", 525600),
        ("BCRYPT_COST", "31", 31),
        ("MARKS_MAX", "7.5", 7.5),
    ],
)
def test_a_setting_is_read_from_the_environment(
    name: str, value: str, expected: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert read_all()[name] == expected


def test_an_empty_setting_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_all()
    for name in defaults:
        monkeypatch.setenv(name, "")
    assert read_all() == defaults


def test_the_environment_takes_precedence_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=1234\nSEATS_MOST=50\nSEATS_LEAST=5\nOF_ANOTHER_PROGRAM=x\n")
    monkeypatch.chdir(tmp_path)
    for kind in (Settings, SeatSettings):
        monkeypatch.setitem(kind.model_config, "env_file", ".env")
    monkeypatch.setenv("SEATS_MOST", "60")
    settings = read_settings()
    seats = settings.part(SeatSettings)
    assert (settings.port, seats.least, seats.most) == (1234, 5, 60)


def test_the_url_of_the_database_is_never_shown() -> None:
    settings = Settings.model_validate({"mongodb_url": "mongodb://user:hunter2@host"})
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()} {settings.model_dump()}"


def test_an_error_does_not_repeat_the_given_values() -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"port": "hunter2", "mongodb_url": ["hunter2"]})
    assert raised.value.error_count() == 2
    assert "hunter2" not in str(raised.value)


def test_an_invalid_setting_of_a_module_prevents_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATS_MOST", "many")
    with pytest.raises(StartupError, match="SEATS_MOST: "):
        create_app(Settings(), [stub(settings=SeatSettings)])


def test_settings_of_modules_can_be_replaced() -> None:
    settings = Settings()
    given = settings.with_parts(SeatSettings(most=5))
    assert (given.part(SeatSettings).most, settings.part(SeatSettings).most) == (5, 30)


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_two_apps_in_one_process_keep_their_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    def app(most: int) -> TestClient:
        router = PublicRouter()

        @router.get("/here")
        async def here() -> list[int]:
            return [current_settings().port, SeatSettings.current().most]

        @router.get("/in-a-thread")
        def in_a_thread() -> list[int]:
            return [current_settings().port, SeatSettings.current().most]

        monkeypatch.setenv("SEATS_MOST", str(most))
        return unstarted_client(stub(public_router=router, settings=SeatSettings), port=most)

    first, second = app(1000), app(10)
    for path in ("/here", "/in-a-thread"):
        assert [client.get(path).json() for client in (first, second, first, second)] == [
            [most, most] for most in (1000, 10, 1000, 10)
        ]


def test_settings_outside_of_an_app_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4321")
    context = Context()
    assert context.run(current_settings).port == 4321
    assert context.run(current_settings) is context.run(current_settings)


def test_no_secret_setting_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[type[Settings | ModuleSettings]] = [Settings, *settings_of_modules()]
    secret = {
        name
        for kind in kinds
        for name, field in variables(kind).items()
        if "SecretStr" in str(kind.model_fields[field])
    }
    assert secret == {"MONGODB_URL", "METRICS_TOKEN", "TOKEN_PEPPER"}
    for name in secret:
        monkeypatch.setenv(name, "hunter2" * 5)
    settings = read_settings(settings_of_modules())
    for part in settings.parts:
        assert "hunter2" not in f"{part!r} {part} {part.model_dump()} {part.model_dump_json()}"
    shown = "\n".join(effective(settings))
    assert "hunter2" not in shown
    assert shown.count("=**********") == len(secret)


def test_a_setting_has_the_variables_of_its_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    class Aliased(ModuleSettings, env_prefix="ALIASED_"):
        most: Annotated[int, Field(validation_alias=AliasChoices("HIGHEST", "largest"))] = 3
        least: Annotated[int, Field(alias="lowest")] = 3
        plain: int = 3

    assert variables(Aliased) == {"HIGHEST": "most", "LARGEST": "most", "LOWEST": "least", "ALIASED_PLAIN": "plain"}
    for number, name in enumerate(variables(Aliased)):
        monkeypatch.setenv(name, str(number))
    monkeypatch.delenv("HIGHEST")
    read = read_settings([Aliased]).part(Aliased)
    assert (read.most, read.least, read.plain) == (1, 2, 3)
