"""Tests of dump and restore: responses are the same as before, also on another kind of server."""

import asyncio
import gzip
import os
import stat
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import httpx2
import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from core.cli.backup import dump
from core.command import CommandError
from core.errors import StartupError
from core.settings import Settings, use_settings
from tests.conftest import AppClient, sign_in
from tests.kit import without_jobs
from tests.processes import ROOT
from tests.replica_set import replica_set_of_three
from tests.servers import launch, serve
from tests.terminal import Terminal

pytestmark = pytest.mark.process

ALICE = {"username": "alice", "email": "alice@example.com", "password": "secure123"}
PATHS = ["/students?count=true", "/students/S1/history", "/students/S2/history/1", "/changes", "/me", "/statistics"]


@pytest.fixture
def stored(settings: Settings, open_client: AppClient) -> Iterator[Any]:
    """Store data with an app that does nothing in the background, and yield its database."""
    assert settings.mongodb_url
    client = sign_in(open_client(modules=without_jobs()))
    client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b", "marks": {"math": 1, "art": 2.5}})
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value(), tz_aware=True) as mongo:
        yield mongo[settings.mongodb_database]
        mongo.drop_database("restored")


def everything(database: Any) -> dict[str, list[bytes]]:
    return {
        name: sorted(bson.encode(document) for document in database[name].find())
        for name in database.list_collection_names()
        if database[name].find_one()
    }


def test_restored_data_equals_the_dumped_data_byte_for_byte(terminal: Terminal, stored: Any) -> None:
    assert terminal("dump", "school.dump").returncode == 0
    terminal.environment["MONGODB_DATABASE"] = "restored"
    done = terminal("restore", "school.dump")
    assert done.returncode == 0, done.stderr
    assert everything(stored.client["restored"]) == everything(stored)
    assert stat.S_IMODE((terminal.folder / "school.dump").stat().st_mode) == 0o600


def test_nothing_is_overwritten(terminal: Terminal, stored: Any) -> None:
    assert terminal("dump", "school.dump").returncode == 0
    assert "school.dump" in terminal("dump", "school.dump").stderr
    done = terminal("restore", "school.dump")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def dump_to(target: Path, settings: Settings) -> None:
    async def work() -> None:
        use_settings(settings)
        await dump.run(Namespace(file=target))

    asyncio.run(work())


@pytest.mark.parametrize("name", ["school.dump", "school.dump.partial"])
@pytest.mark.parametrize("kind", ["file", "link", "link to nothing", "folder"])
def test_a_dump_follows_no_link_and_overwrites_no_file(
    settings: Settings, tmp_path: Path, name: str, kind: str
) -> None:
    found, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    if kind != "link to nothing":
        elsewhere.write_bytes(b"precious")
    if kind == "folder":
        found.mkdir()
    elif kind == "file":
        found.write_bytes(b"precious")
    else:
        found.symlink_to(elsewhere)
    before = set(tmp_path.iterdir())

    with pytest.raises(CommandError) as raised:
        dump_to(tmp_path / "school.dump", settings)

    assert str(found) in str(raised.value)
    assert set(tmp_path.iterdir()) == before
    assert found.is_symlink() == kind.startswith("link")
    assert {file.read_bytes() for file in (found, elsewhere) if file.is_file()} <= {b"precious"}


def test_a_dump_that_fails_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"mongodb_url": SecretStr("mongodb://127.0.0.1:1/?timeoutMS=200")})
    with pytest.raises(StartupError):
        dump_to(tmp_path / "school.dump", away)
    assert not list(tmp_path.iterdir())
    with pytest.raises(CommandError):
        dump_to(tmp_path / "nowhere" / "school.dump", settings)


@pytest.mark.parametrize("damage", ["cut", "last", "other", "none"])
def test_an_incomplete_file_restores_nothing(terminal: Terminal, stored: Any, damage: str) -> None:
    assert terminal("dump", "school.dump").returncode == 0
    file = terminal.folder / "school.dump"
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[:-40])
    elif damage == "last":
        end = len(bson.encode({"count": 1}))
        file.write_bytes(gzip.compress(gzip.decompress(whole)[:-end]))
    elif damage == "other":
        file.write_bytes(b"hello")
    else:
        file.unlink()
    terminal.environment["MONGODB_DATABASE"] = "restored"
    done = terminal("restore", "school.dump")
    assert (done.returncode, "school.dump" in done.stderr) == (1, True)
    assert stored.client["restored"].list_collection_names() == []


@pytest.fixture
def replica_set(tmp_path: Path) -> Iterator[str]:
    with replica_set_of_three(tmp_path) as replica_set:
        yield replica_set.url


def answers(client: httpx2.Client) -> list[Any]:
    return [client.get(path).json() for path in PATHS]


def test_a_dump_of_the_embedded_database_restores_into_a_replica_set(tmp_path: Path, replica_set: str) -> None:
    with serve(tmp_path) as server, server.client() as client:
        client.post("/register", json=ALICE)
        form = {"username": "alice", "password": "secure123"}
        token = client.post("/login", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        for number in range(1, 4):
            body = {"roll_no": f"S{number}", "name": "n", "branch": "b", "marks": {"math": number}}
            assert client.post("/students", json=body).status_code == 201
            assert client.put(f"/students/S{number}/marks/math", json={"mark": 50.5}).is_success
        before = answers(client)

    command(tmp_path, "dump", "school.dump")
    command(tmp_path, "restore", "school.dump", MONGODB_URL=replica_set)

    production = {"ENVIRONMENT": "production", "MONGODB_URL": replica_set, "METRICS_TOKEN": "0" * 64}
    server = launch(tmp_path, str(ROOT / "main.py"), **production)
    try:
        with server.client() as client:
            client.headers["Authorization"] = f"Bearer {token}"
            assert answers(client) == before
            assert client.put("/students/S1/marks/math", json={"mark": 60}).is_success
        assert "No problems found." in command(tmp_path, "check", "--data", MONGODB_URL=replica_set)
    finally:
        server.stop()


def command(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
