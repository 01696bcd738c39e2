"""The service as it is run: processes, sockets, and a MongoDB that starts by itself."""

import csv
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.processes import ROOT, kill, mongods, running, until
from tests.servers import Server, serve

pytestmark = pytest.mark.process

ALICE = {"username": "alice", "email": "alice@example.com", "password": "secure123"}

# The whole file may be beside a developer's checkout; the extract is committed.
WHOLE = ROOT.parent / "shared" / "data" / "gcse.csv"
EXTRACT = ROOT / "tests" / "data" / "gcse-extract.csv"


@contextmanager
def signed_in(server: Server) -> Iterator[httpx2.Client]:
    """Open a client that is signed in as alice, who is registered first if necessary."""
    with server.client() as client:
        assert client.post("/register", json=ALICE).status_code in (201, 409)
        token = client.post("/login", data={"username": "alice", "password": "secure123"}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def all_students(client: httpx2.Client) -> Iterator[dict[str, object]]:
    """Yield every student, page by page."""
    address: str | None = "/students?limit=500"
    while address:
        answer = client.get(address)
        assert answer.status_code == 200
        yield from answer.json()
        address = answer.links["next"]["url"] if "next" in answer.links else None


def student(row: dict[str, str]) -> dict[str, object]:
    """Return a row of the examination data as the API accepts it: an empty cell is no mark."""
    marks = {subject: float(row[subject]) for subject in ("written", "coursework") if row[subject]}
    return {"roll_no": row["roll_no"], "name": row["name"], "branch": row["branch"], "marks": marks}


@pytest.mark.parametrize(("path", "count"), [(EXTRACT, 40), (WHOLE, 1905)], ids=["extract", "whole"])
def test_a_real_class_list_is_read_as_it_was_written(tmp_path: Path, path: Path, count: int) -> None:
    if path is WHOLE and not path.exists():
        pytest.skip(f"{path} is missing: only the committed extract was tested")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [student(row) for row in csv.DictReader(file)]
    assert len(rows) == count

    with serve(tmp_path) as server, signed_in(server) as client:
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda row: client.post("/students", json=row).status_code, rows))
        read = [{name: record[name] for name in rows[0]} for record in all_students(client)]

    assert set(statuses) == {201}
    assert read == sorted(rows, key=lambda row: str(row["roll_no"]))


@pytest.mark.parametrize("victims", ["the server", "the server and its database"])
def test_no_acknowledged_student_is_lost_by_kill_9_during_writes(tmp_path: Path, victims: str) -> None:
    acknowledged: list[str] = []

    def write(client: httpx2.Client, numbers: "itertools.count[int]") -> None:
        while True:
            roll_no = f"S{next(numbers)}"
            body = {"roll_no": roll_no, "name": "n", "branch": "b", "marks": {"math": 1}}
            try:
                answer = client.post("/students", json=body)
            except httpx2.TransportError:
                return
            if answer.status_code == 201:
                acknowledged.append(roll_no)

    with serve(tmp_path) as server, signed_in(server) as client, ThreadPoolExecutor(4) as pool:
        numbers = itertools.count()
        writers = [pool.submit(write, client, numbers) for _ in range(4)]
        until(lambda: len(acknowledged) >= 200)
        if victims == "the server and its database":
            kill(*running(tmp_path / "data"))
        server.kill()
        for writer in writers:
            writer.result()

    with serve(tmp_path) as server, signed_in(server) as client:
        stored = {str(record["roll_no"]) for record in all_students(client)}
    assert len(acknowledged) >= 200
    assert set(acknowledged) <= stored


def test_four_workers_share_one_embedded_database(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "4") as server:
        until(lambda: len([line for line in server.log_lines() if "embedded" in str(line["message"])]) == 4)
        with signed_in(server) as client:
            token = client.headers["Authorization"]
        for number in range(40):
            # One connection per request, so that the kernel spreads them over the workers.
            with httpx2.Client(base_url=server.url, headers={"Authorization": token}) as client:
                body = {"roll_no": f"S{number}", "name": "n", "branch": "b"}
                assert client.post("/students", json=body).status_code == 201
                assert client.get(f"/students/S{number}").status_code == 200
        assert len(mongods(tmp_path / "data")) == 1
        with signed_in(server) as client:
            assert len(list(all_students(client))) == 40


def test_the_database_ends_with_the_last_server_and_keeps_what_was_written(tmp_path: Path) -> None:
    with serve(tmp_path) as server, signed_in(server) as client:
        body = {"roll_no": "S1", "name": "n", "branch": "b"}
        assert client.post("/students", json=body).status_code == 201
        assert server.stop() == 0
    until(lambda: not running(tmp_path / "data"))

    with serve(tmp_path) as server, signed_in(server) as client:
        assert [record["roll_no"] for record in all_students(client)] == ["S1"]


def test_a_reload_uses_the_same_database(tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    with serve(tmp_path, "--reload", "--reload-dir", str(watched)) as server, signed_in(server) as client:
        assert client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201
        before = count_starts(server)

        (watched / "changed.py").write_text("changed = True\n")
        until(lambda: count_starts(server) > before)
        server.wait_until_ready()

        with signed_in(server) as after:
            assert [record["roll_no"] for record in all_students(after)] == ["S1"]


def count_starts(server: Server) -> int:
    """Return how often the service has opened its database."""
    return sum("embedded" in str(line["message"]) for line in server.log_lines())


def test_the_log_names_the_database_and_its_data_folder(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        message = next(str(line["message"]) for line in server.log_lines() if "embedded" in str(line["message"]))

    assert str((tmp_path / "data").resolve()) in message
    assert "the database is student_management" in message


def test_the_garbage_collector_ignores_what_the_service_imports(tmp_path: Path) -> None:
    counted = subprocess.run(
        [sys.executable, "-c", "import gc, main; print(gc.get_freeze_count(), len(gc.get_objects()))"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    frozen, left = map(int, counted.stdout.split())
    assert frozen > 50_000
    assert left < 10_000
