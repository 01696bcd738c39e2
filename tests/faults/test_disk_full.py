"""A disk that runs full under the embedded database: nothing more is written, and that is told; reading goes on."""

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
    """A file system of its own, of 160 MB."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.data = place / "data"

    def fill(self, name: str) -> None:
        """Write into a file that takes all the room that there is."""
        file = os.open(self.place / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            while True:
                os.write(file, bytes(4096))
        except OSError:
            pass
        finally:
            os.close(file)

    def free(self) -> None:
        for file in self.place.glob("filler*"):
            file.unlink()

    def checkpoint(self) -> None:
        """Let mongod do now what it does each minute."""
        with MongoClient[dict[str, object]](url(socket_path(self.data)), timeoutMS=5000) as client:
            client.admin.command("fsync")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tests", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(
            f"A small file system needs the right to mount one (root, and no container that forbids it): {reason}"
        )
    yield Disk(place)
    # Who uses it is about to end.
    until(lambda: subprocess.run(["umount", str(place)], check=False, capture_output=True).returncode == 0)


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


def assert_only_read(client: httpx2.Client) -> None:
    """Whoever would write is told why that cannot be, and whoever reads is answered."""
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


def test_a_full_disk_is_read_from_until_there_is_room(client: httpx2.Client, disk: Disk, server: Server) -> None:
    before = mongods(disk.data)
    disk.fill("filler")
    until(lambda: not ready(client))
    assert_only_read(client)
    disk.checkpoint()
    assert_only_read(client)
    assert mongods(disk.data) == before, "it lives on the room that was kept for it"

    kill(*before)
    until(lambda: client.get("/students/S1").status_code == 200)
    assert_only_read(client)
    assert mongods(disk.data) != before

    disk.free()
    until(lambda: ready(client))
    assert write(client, 9).status_code == 201
    assert (disk.data / RESERVE).exists()
    assert [client.get(f"/students/S{number}").status_code for number in (0, 1, 2, 3, 4, 9)] == [200] * 6
    text = server.log.read_text()
    assert (text.count("is full: writes are refused"), text.count("has free space again")) == (1, 1)
    assert "Traceback" not in text


def test_where_not_even_the_reserve_is_left_it_comes_back_with_the_room(
    client: httpx2.Client, disk: Disk, server: Server
) -> None:
    disk.fill("filler")
    until(lambda: not (disk.data / RESERVE).exists())

    def dies() -> bool:
        disk.fill("filler of what was kept, and of what a checkpoint has freed")
        sign_in(client)  # is written down, for the next checkpoint to fail
        try:
            disk.checkpoint()
        except PyMongoError:
            return True
        return False

    until(dies)
    until(lambda: "mongod has no space left on the disk" in server.log.read_text())
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/students/S1").status_code == 503

    disk.free()
    until(lambda: ready(client))
    assert write(client, 9).status_code == 201
    assert [client.get(f"/students/S{number}").status_code for number in (0, 1, 2, 3, 4, 9)] == [200] * 6


def test_an_import_stops_on_a_full_disk_and_goes_on_with_the_room(
    client: httpx2.Client, disk: Disk, server: Server
) -> None:
    rows = "".join(f"R{number},x,y,{number % 100}\n" for number in range(ROWS))
    headers = {"Content-Type": "text/csv", "Prefer": "respond-async"}
    sent = client.post("/imports?on_error=skip", content=f"roll_no,name,branch,math\n{rows}", headers=headers)
    address = f"/imports/{sent.json()['id']}"
    until(lambda: client.get(address).json()["created"] > 0)

    disk.fill("filler")
    told = until(lambda: state(client, address, "interrupted"))
    assert 0 < told["created"] < ROWS
    assert (client.post(f"{address}/resume").status_code, client.post(f"{address}/undo").status_code) == (503, 503)
    text = server.log.read_text()
    assert f"was interrupted: {FULL}" in text
    assert "Traceback" not in text

    disk.free()
    until(lambda: ready(client))
    finished = client.post(f"{address}/resume").json()
    assert (finished["state"], finished["created"]) == ("done", ROWS)
    assert client.get("/students?limit=1&count=true").headers["Total-Count"] == str(ROWS + 5)


def state(client: httpx2.Client, address: str, wanted: str) -> dict[str, Any] | None:
    """An import, if it stands so."""
    answer = client.get(address)
    told: dict[str, Any] = answer.json()
    return told if answer.status_code == 200 and told["state"] == wanted else None
