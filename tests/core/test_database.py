"""Tests of the choice of the database, and of the errors at startup when none is usable."""

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from beanie import Document
from pymongo.errors import ConnectionFailure, DuplicateKeyError

import core.database.client
from core.clock import utc_now
from core.database.client import _connect, open_database
from core.database.embedded import Embedded, Mongod
from core.database.embedded.disk_space import DiskSpace
from core.database.errors import duplicate_field
from core.errors import StartupError
from core.settings import Settings
from tests.core.stubs import stub, unstarted_client
from tests.processes import ROOT

UNREACHABLE = "127.0.0.1:1"


class Thing(Document):
    class Settings:
        name = "things"


def options_of(query: str) -> dict[str, object]:
    with closing(_connect(f"mongodb://host/{query}")) as client:
        options, concern = client.delegate.options, client.delegate.write_concern.document
        return {
            "w": concern.get("w"),
            "journal": concern.get("j"),
            "retryWrites": options.retry_writes,
            "timeoutMS": options.timeout and round(options.timeout * 1000),
            "serverSelectionTimeoutMS": round(options.server_selection_timeout * 1000),
            "connectTimeoutMS": round(options.pool_options.connect_timeout * 1000),
            "maxPoolSize": options.pool_options.max_pool_size,
        }


DEFAULTS = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "timeoutMS": 5000,
    "serverSelectionTimeoutMS": 30000,  # the driver's default, which it ignores if timeoutMS is set
    "connectTimeoutMS": 2000,
    "maxPoolSize": 100,
}


@pytest.mark.parametrize(
    ("query", "changed"),
    [
        ("", {}),
        ("?appName=x", {}),
        ("?w=1", {"w": 1}),
        ("?W=2&JOURNAL=false", {"w": 2, "journal": False}),
        ("?retryWrites=false", {"retryWrites": False}),
        ("?timeoutms=77", {"timeoutMS": 77}),
        ("?connectTimeoutMS=99&maxPoolSize=3", {"connectTimeoutMS": 99, "maxPoolSize": 3}),
        # The driver ignores this option if timeoutMS is set, so the default timeoutMS must be left out.
        ("?serverSelectionTimeoutMS=200", {"serverSelectionTimeoutMS": 200, "timeoutMS": None}),
    ],
)
def test_options_in_the_url_take_precedence(query: str, changed: dict[str, object]) -> None:
    assert options_of(query) == {**DEFAULTS, **changed}


@pytest.mark.process
def test_motor_has_a_thread_for_each_connection() -> None:
    program = "import core.app, motor.frameworks.asyncio as motor; print(motor._EXECUTOR._max_workers)"
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, check=True)
    assert int(shown.stdout) == core.database.client._CLIENT_OPTIONS["maxPoolSize"]


def test_datetimes_are_read_with_a_time_zone() -> None:
    with closing(_connect("mongodb://host")) as client:
        assert client.delegate.codec_options.tz_aware


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "http://user:hunter2@host",
        "mongodb://user:hunter2@host:port",
        "mongodb://user:hunter2@host:99999/",
        "mongodb://user:hun%ter2@host/",
        "mongodb://user:hun@ter2@host/",
        "mongodb://user:hun:ter2@host/",
        "mongodb://user:x/hunter2@host/db",
        "mongodb://user:1/hunter2@host",
        "mongodb://user:x?hunter2@host/db",
        "mongodb://user:hunter2@[::1/",
        "mongodb://user:hunter2@host/a b",
    ],
)
def test_an_invalid_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(StartupError) as raised:
        _connect(url).close()
    text = str(raised.value)
    assert "MONGODB_URL" in text
    assert "\n" not in text
    assert not [part for part in ("hunter2", "ter2") if part in text]
    assert raised.value.__suppress_context__ or raised.value.__context__ is None, "a traceback would show it"


def settings_for(url: str | None, **others: Any) -> Settings:
    return Settings.model_validate({"mongodb_url": url, **others})


def open_and_close(settings: Settings, *documents: type[Document]) -> None:
    async def run() -> None:
        async with open_database(settings, lambda database: database.bind(documents)) as database:
            await database.ping()

    asyncio.run(run())


@pytest.mark.parametrize(
    "credentials", ["", "user:hunter2@", "user:hunter%402@", "user:hunter2#@", "user:hunter2[@", "user:hunter2]@"]
)
def test_an_unreachable_server_is_named_without_its_password(credentials: str) -> None:
    settings = settings_for(f"mongodb://{credentials}{UNREACHABLE}/?timeoutMS=100")
    with pytest.raises(StartupError) as raised:
        open_and_close(settings, Thing)
    text = str(raised.value)
    assert {UNREACHABLE, "MONGODB_URL"} <= set(re.findall(r"[\w.:]*\w", text))
    assert "hunter" not in text


def test_the_database_in_use_is_logged_without_its_password(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "core.database.client")
    assert settings.mongodb_url
    real, connect = settings.mongodb_url.get_secret_value(), _connect
    monkeypatch.setattr(core.database.client, "_connect", lambda _: connect(real))
    url = "mongodb://user:hunter2@one:1,two:2/?replicaSet=rs"
    open_and_close(settings_for(url, mongodb_database=settings.mongodb_database), Thing)
    (line,) = caplog.messages
    assert [part in line for part in ("one:1, two:2", settings.mongodb_database, "hunter2")] == [True, True, False]


def test_startup_without_any_mongod_fails_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.database.client, "find_mongod", lambda *_: None)
    with pytest.raises(StartupError) as raised:
        open_and_close(settings_for(None))
    assert {"MONGODB_URL", "MONGOD_BIN", "requirements.txt,", "ALLOW_MEMORY_DB=1"} <= set(str(raised.value).split())


def test_a_database_in_memory_is_used_if_allowed_and_there_is_no_mongod(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.database.client")
    monkeypatch.setattr(core.database.client, "find_mongod", lambda *_: None)
    open_and_close(settings_for(None, allow_memory_db=True), Thing)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "ALLOW_MEMORY_DB" in caplog.messages[0]


def test_memory_replaces_a_mongod_that_does_not_run_unless_mongod_bin_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(*_: object) -> Mongod:
        raise StartupError("an old glibc")

    monkeypatch.setattr(core.database.client, "find_mongod", find)
    open_and_close(settings_for(None, allow_memory_db=True), Thing)
    with pytest.raises(StartupError, match="an old glibc"):
        open_and_close(settings_for(None), Thing)
    with pytest.raises(StartupError, match="an old glibc"):
        open_and_close(settings_for(None, allow_memory_db=True, mongod_bin="m"), Thing)


def test_the_mongod_found_is_started_on_the_data_folder(
    mongodb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.database.client")
    started: list[tuple[Mongod, Path]] = []

    @asynccontextmanager
    async def run(mongod: Mongod, data_dir: Path) -> AsyncIterator[Embedded]:
        started.append((mongod, data_dir))
        yield Embedded(url=mongodb_url, data=data_dir / "files", version="6.0.5", disk_space=DiskSpace(data_dir))

    found = Mongod(path=tmp_path / "mongod", version="6.0.5")
    monkeypatch.setattr(core.database.client, "find_mongod", lambda *_: found)
    monkeypatch.setattr(core.database.client, "run_embedded", run)
    open_and_close(settings_for(None, data_dir=tmp_path, allow_memory_db=True))
    assert started == [(found, tmp_path)]
    (line,) = caplog.messages
    assert all(part in line for part in ("6.0.5", f"{tmp_path}/files", "student_management"))


def test_a_url_is_preferred_to_mongod_and_mongod_to_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def find(mongod_bin: Path | None, data_dir: Path) -> Mongod:
        tried.append(f"{mongod_bin} {data_dir}")
        raise StartupError("found")

    monkeypatch.setattr(core.database.client, "find_mongod", find)
    with pytest.raises(StartupError, match=UNREACHABLE):
        open_and_close(settings_for(f"mongodb://{UNREACHABLE}/?timeoutMS=100", allow_memory_db=True), Thing)
    assert tried == []
    with pytest.raises(StartupError, match="found"):
        open_and_close(settings_for(None, mongod_bin="m", data_dir="d", allow_memory_db=True))
    assert tried == ["m d"]


def test_ping_fails_if_the_server_is_unreachable() -> None:
    async def run() -> None:
        with closing(_connect(f"mongodb://{UNREACHABLE}/?timeoutMS=100")) as client:
            await core.database.client.Database(client, "x", "nobody").ping()

    with pytest.raises(ConnectionFailure):
        asyncio.run(run())


def test_duplicate_field_returns_the_indexed_field() -> None:
    error = DuplicateKeyError("taken", details={"keyPattern": {"email_key": 1}, "keyValue": {"email_key": "x"}})
    assert duplicate_field(error) == "email_key"


def test_a_failed_startup_raises_its_error_from_the_app() -> None:
    client = unstarted_client(stub(documents=(Thing,)), mongodb_url="mongodb://")
    with pytest.raises(StartupError, match="MONGODB_URL"), client:
        pass  # entering the client starts the app


def test_the_clock_has_the_precision_of_the_database() -> None:
    now = utc_now()
    assert now.microsecond % 1000 == 0
    assert now.utcoffset() is not None
