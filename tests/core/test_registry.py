"""Tests of errors in settings: all are reported at once, including unknown names in `.env`."""

import logging
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.app import create_app
from core.errors import StartupError
from core.registry import configure
from core.settings import ModuleSelection, ModuleSettings, Settings
from tests.conftest import configured, settings_of_modules
from tests.core.stubs import stub


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a `.env` file for this test only."""
    file = tmp_path / ".env"
    kinds: list[type[ModuleSelection | ModuleSettings]] = [ModuleSelection, Settings, *settings_of_modules()]
    for kind in kinds:
        monkeypatch.setitem(kind.model_config, "env_file", file)
    return file


def refusal() -> str:
    with pytest.raises(StartupError) as raised:
        configure()
    return str(raised.value)


def test_all_invalid_and_unknown_settings_are_named_at_once(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env.write_text("ACESS_TOKEN_MINUTES=hunter2\nhunter=hunter2\nBCRYPT_COST=hunter2\n")
    monkeypatch.setenv("PORT", "hunter2")
    monkeypatch.setenv("ENVIRONMENT", "production")
    message = refusal()
    for name in ("PORT", "BCRYPT_COST", "MONGODB_URL", "HUNTER", "ACESS_TOKEN_MINUTES"):
        assert f"{name}: " in message
    assert "ACCESS_TOKEN_MINUTES" in message, "the error must suggest the setting with a similar name"
    assert "hunter2" not in message


def test_unknown_variables_in_the_environment_are_ignored(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env.write_text("# a comment\nexport marks_max=20\n\nOF_NOBODY=\n")
    monkeypatch.setenv("ACESS_TOKEN_MINUTES", "5")
    settings, modules = configure()
    assert settings.value_of("MARKS_MAX") == 20
    assert {module.name for module in modules} >= {"auth", "students"}


def test_a_setting_of_a_disabled_module_only_causes_a_warning(env: Path, caplog: pytest.LogCaptureFixture) -> None:
    env.write_text("MODULES_DISABLED=transfers\nIMPORT_DAYS=3\n")
    configure()
    assert "IMPORT_DAYS: " in caplog.text


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"CORS_ORIGINS": "*", "CORS_CREDENTIALS": "1"}, "CORS_CREDENTIALS"),
        ({"CORS_ORIGINS": "https://a.example,*", "CORS_CREDENTIALS": "1"}, "CORS_CREDENTIALS"),
        ({"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS"),
        ({"CORS_ORIGINS": "a.example"}, "CORS_ORIGINS"),
        ({"ALLOWED_HOSTS": "https://a.example"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "a.example:8000"}, "ALLOWED_HOSTS"),
        ({"TLS_CERTFILE": __file__}, "TLS_KEYFILE"),
        ({"TLS_KEYFILE": __file__}, "TLS_KEYFILE"),
        ({"TLS_CERTFILE": "/nowhere", "TLS_KEYFILE": __file__}, "TLS_CERTFILE"),
        ({"ENVIRONMENT": "production", "METRICS_TOKEN": "0" * 64, "ALLOW_MEMORY_DB": "1"}, "MONGODB_URL"),
        ({"ENVIRONMENT": "production", "MONGODB_URL": "mongodb://a"}, "METRICS_TOKEN"),
        ({"ENVIRONMENT": "production", "MONGODB_URL": "mongodb://a", "METRICS_TOKEN": ""}, "METRICS_TOKEN"),
        ({"ENVIRONMENT": "staging"}, "ENVIRONMENT"),
        ({"WORKERS": "0"}, "WORKERS"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT"),
        ({"DOCS": "maybe"}, "DOCS"),
    ],
)
def test_invalid_and_contradictory_settings_are_refused(
    given: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given_name, value in given.items():
        monkeypatch.setenv(given_name, value)
    assert re.findall(r"\b([A-Z_]+): ", refusal()) == [name]


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"environment": "production"}, True),
        ({"environment": "production", "registration": "closed"}, False),
        ({"environment": "production", "default_role": "viewer"}, True),
        ({"environment": "development"}, False),
    ],
)
def test_production_warns_of_open_registration(
    given: dict[str, str], warned: bool, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), TestClient(create_app(configured(settings, **given))):
        pass
    assert ("REGISTRATION" in caplog.text) is warned


def test_a_module_without_warnings_has_none() -> None:
    settings, _ = configure([stub()])
    assert settings.warnings() == []
