"""The disk of the embedded database is full: writes are refused with the reason, and reads still work."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from core.database.embedded.address import socket_path, url
from core.database.embedded.disk_space import RESERVE
from tests.processes import kill, mongods, until
from tests.servers import Server, serve

pytestmark = pytest.mark.process

ACCOUNT = {"username": "alice", "email": "alice@example.com", "password": "giraffe-9-umbrella"}
ROWS = 40_000
FULL = "The disk of the database is full: data can be read but not written."


class Disk:
    """A separate file system of 160 MB."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"

    def fill(self, name: str) -> None:
        """Write to a file until the disk is full."""
        file = os.open(self.path / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            while True:
                os.write(file, bytes(4096))
        except OSError:
            pass
        finally:
            os.close(file)

    def free(self) -> None:
        for file in self.path.glob("filler*"):
            file.unlink()

    def checkpoint(self) -> None:
        """Make mongod write the checkpoint that it otherwise writes each minute."""
        with MongoClient[dict[str, object]](url(socket_path(self.data)), timeoutMS=5000) as client:
            client.admin.command("fsync")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tests", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(
            f"This test needs permission to mount a file system (root, outside of a restricted container): {reason}"
        )
    yield Disk(path)
    # The processes that use it are about to end.
    until(lambda: subprocess.run(["umount", str(path)], check=False, capture_output=True).returncode == 0)


@pytest.fixture
def server(disk: Disk, tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path, DATA_DIR=str(disk.data)) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        assert client.post("/register", json=ACCOUNT).status_code == 201
        client.headers["Authorization"] = f"Bearer {sign_in(client).json()['access_token']}"
        assert [write(client, number).status_code for number in range(5)] == [201] * 5
        yield client


def sign_in(client: httpx2.Client) -> httpx2.Response:
    return client.post("/login", data=ACCOUNT)


def write(client: httpx2.Client, number: int) -> httpx2.Response:
    marks = {os.urandom(20).hex(): 1 for _ in range(40)}
    return client.post("/students", json={"roll_no": f"S{number}", "name": "x", "branch": "y", "marks": marks})


def ready(client: httpx2.Client) -> bool:
    return client.get("/readyz").status_code == 200


def assert_read_only(client: httpx2.Client) -> None:
    """Assert that writes are refused with the reason, and that reads are answered."""
    for answer in (
        client.get("/readyz"),
        write(client, 9),
        client.patch("/students/S1", json={"name": "z"}),
        client.delete("/students/S1"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (503, FULL)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 1
    for path in ("/students/S1", "/students?limit=3", "/statistics", "/healthz"):
        assert (path, client.get(path).status_code) == (path, 200)
    assert sign_in(client).status_code == 200


def test_a_full_disk_can_be_read_until_there_is_free_space(client: httpx2.Client, disk: Disk, server: Server) -> None:
    before = mongods(disk.data)
    disk.fill("filler")
    until(lambda: not ready(client))
    assert_read_only(client)
    disk.checkpoint()
    assert_read_only(client)
    assert mongods(disk.data) == before, "mongod must survive in the space that was reserved for it"

    kill(*before)
    until(lambda: client.get("/students/S1").status_code == 200)
    assert_read_only(client)
    assert mongods(disk.data) != before

    disk.free()
    until(lambda: ready(client))
    assert write(client, 9).status_code == 201
    assert (disk.data / RESERVE).exists()
    assert [client.get(f"/students/S{number}").status_code for number in (0, 1, 2, 3, 4, 9)] == [200] * 6
    text = server.log.read_text()
    assert (text.count("is full: writes are refused"), text.count("has free space again")) == (1, 1)
    assert "Traceback" not in text


def test_without_the_reserve_the_database_comes_back_when_there_is_free_space(
    client: httpx2.Client, disk: Disk, server: Server
) -> None:
    disk.fill("filler")
    until(lambda: not (disk.data / RESERVE).exists())

    def mongod_dies() -> bool:
        disk.fill("filler of the reserve, and of what a checkpoint has freed")
        sign_in(client)  # changes the database, so that the next checkpoint fails
        try:
            disk.checkpoint()
        except PyMongoError:
            return True
        return False

    until(mongod_dies)
    until(lambda: "mongod has no space left on the disk" in server.log.read_text())
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/students/S1").status_code == 503

    disk.free()
    until(lambda: ready(client))
    assert write(client, 9).status_code == 201
    assert [client.get(f"/students/S{number}").status_code for number in (0, 1, 2, 3, 4, 9)] == [200] * 6


def test_an_import_stops_on_a_full_disk_and_can_be_resumed_with_free_space(
    client: httpx2.Client, disk: Disk, server: Server
) -> None:
    rows = "".join(f"R{number},x,y,{number % 100}\n" for number in range(ROWS))
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async"}
    sent = client.post("/imports?on_error=skip", content=f"roll_no,name,branch,math\n{rows}", headers=headers)
    address = f"/imports/{sent.json()['id']}"
    until(lambda: client.get(address).json()["created"] > 0)

    disk.fill("filler")
    report = until(lambda: import_in_state(client, address, "interrupted"))
    assert 0 < report["created"] < ROWS
    assert (client.post(f"{address}/resume").status_code, client.post(f"{address}/undo").status_code) == (503, 503)
    text = server.log.read_text()
    assert f"was interrupted: {FULL}" in text
    assert "Traceback" not in text

    disk.free()
    until(lambda: ready(client))
    finished = client.post(f"{address}/resume").json()
    assert (finished["state"], finished["created"]) == ("done", ROWS)
    assert client.get("/students?limit=1&count=true").headers["Total-Count"] == str(ROWS + 5)


def import_in_state(client: httpx2.Client, address: str, wanted: str) -> dict[str, Any] | None:
    """Return the import if it has the wanted state."""
    answer = client.get(address)
    report: dict[str, Any] = answer.json()
    return report if answer.status_code == 200 and report["state"] == wanted else None
