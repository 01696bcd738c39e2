"""Tests of `python -m core check`: the settings, and the problems of the database."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.cli.check import effective
from core.database import declared_indexes
from core.settings import Settings, read_settings
from modules.students import StudentDocument
from tests.conftest import settings_of_modules, sign_in
from tests.terminal import Terminal

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("no_app")]


@pytest.fixture
def stored(settings: Settings, client: TestClient) -> Any:
    """Return the database as prepared by the service; drop its students after the test."""
    assert settings.mongodb_url
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as mongo:
        yield mongo[settings.mongodb_database]
        mongo[settings.mongodb_database].students.drop()  # including the indexes that a test has changed


def test_no_problems_are_found_and_secrets_are_masked(terminal: Terminal, client: TestClient) -> None:
    sign_in(client)
    assert client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201
    terminal.environment |= {"TOKEN_PEPPER": "hunter2" * 5, "ALLOWED_HOSTS": "a.example,b.example"}
    done = terminal("check", "--data")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {"PORT=8000", "MARKS_MAX=100.0", "TOKEN_PEPPER=**********", "MONGODB_URL=**********"} <= set(lines)
    assert {"ALLOWED_HOSTS=a.example,b.example", "CORS_ORIGINS=", "REQUIRE_IF_MATCH=0"} <= set(lines)
    assert not [line for line in lines if line.startswith(("Problem: ", "Warning: "))]
    assert "hunter2" not in done.stdout


def test_printed_settings_can_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADES", "pass:49.5,fail:0")
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example,*.b.example")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7")
    monkeypatch.setenv("AUTH_CACHE_SECONDS", "0")
    settings = read_settings(settings_of_modules())
    for line in effective(settings):
        monkeypatch.setenv(*line.split("=", 1))
    assert read_settings(settings_of_modules()).parts == settings.parts


def test_index_problems_are_reported(terminal: Terminal, stored: Any) -> None:
    stored.students.drop_index("by_name")
    stored.students.drop_index("holder_unique")
    stored.students.create_index("roll_no", name="holder_unique")
    stored.students.create_index("colour", name="of_nobody")
    (branch,) = [index for index in declared_indexes(StudentDocument) if index.document["name"] == "by_branch"]
    stored.students.drop_index("by_branch")
    stored.students.create_index(list(branch.document["key"].items()), name="renamed")
    done = terminal("check")
    assert done.returncode == 1
    wrong = "\n".join(line for line in done.stdout.splitlines() if line.startswith("Problem: "))
    assert [name in wrong for name in ("by_name", "holder_unique", "of_nobody")] == [True, True, False]
    assert "lacks the index by_branch. Drop the same index with another name, renamed." in wrong
    assert "of_nobody" in done.stdout
    assert "by_name" not in stored.students.index_information(), "the check must not create indexes"


def test_data_problems_are_reported_with_data_option(terminal: Terminal, stored: Any) -> None:
    stored.students.insert_one({"roll_no": "S9"})
    assert "S9" not in terminal("check").stdout
    done = terminal("check", "--data")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("Problem: ") and "'S9'" in line]


def test_pending_migrations_are_reported(terminal: Terminal, stored: Any) -> None:
    stored.students.insert_one({"roll_no": "S9"})
    stored.migrations.delete_many({})
    done = terminal("check", "--data")
    assert done.returncode == 1
    assert "python -m core migrate" in done.stdout
    assert not list(stored.migrations.find())


@pytest.mark.parametrize(
    ("url", "named"),
    [
        (
            "mongodb://u:hunter2@127.0.0.1:1/?timeoutMS=200",
            "127.0.0.1:1",
        ),
        ("mongodb://u:hunter2@127.0.0.1:x/", "MONGODB_URL"),
    ],
)
def test_an_unreachable_database_is_reported_after_the_settings(terminal: Terminal, url: str, named: str) -> None:
    terminal.environment["MONGODB_URL"] = url
    done = terminal("check", "--data")
    assert done.returncode == 1
    assert "PORT=8000\n" in done.stdout
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("Problem: "))
    assert named in wrong
    assert "hunter2" not in done.stdout


def test_invalid_settings_are_reported(terminal: Terminal) -> None:
    terminal.write(".env", "ACESS_TOKEN_MINUTES=hunter2\nPORT=hunter2\n")
    done = terminal("check")
    assert done.returncode == 1
    assert "PORT: " in done.stderr
    assert "ACCESS_TOKEN_MINUTES" in done.stderr
    assert "hunter2" not in done.stderr


def test_an_unusable_certificate_is_reported(terminal: Terminal, client: TestClient) -> None:
    terminal.write("no.pem", "hunter2")
    terminal.environment |= {"TLS_CERTFILE": "no.pem", "TLS_KEYFILE": "no.pem"}
    done = terminal("check")
    assert done.returncode == 1
    (wrong,) = (line for line in done.stdout.splitlines() if line.startswith("Problem: "))
    assert "TLS_KEYFILE" in wrong


@pytest.mark.parametrize("role", ["teacher", "viewer"])
@pytest.mark.parametrize("environment", ["production", "development"])
def test_open_registration_causes_a_warning(
    terminal: Terminal, client: TestClient, environment: str, role: str
) -> None:
    terminal.environment |= {"ENVIRONMENT": environment, "DEFAULT_ROLE": role, "METRICS_TOKEN": "hunter2" * 8}
    done = terminal("check")
    assert done.returncode == 0
    assert "REGISTRATION=closed" in done.stdout
    assert "hunter2" not in done.stdout


def test_closed_registration_causes_no_warning(terminal: Terminal, client: TestClient) -> None:
    terminal.environment |= {"ENVIRONMENT": "production", "REGISTRATION": "closed", "METRICS_TOKEN": "m" * 32}
    assert "Warning: " not in terminal("check").stdout
