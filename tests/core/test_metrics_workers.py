"""Tests of the metrics of several workers with real processes: all workers are included, and no earlier server is."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.measured import REQUESTS, scraped
from tests.processes import ROOT, kill, until
from tests.servers import Server, launch, serve

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

HEALTHZ = {"method": "GET", "route": "/healthz", "status": "200"}

# Like `python main.py` with several workers: the script itself creates the app, and each worker runs the script first.
SCRIPT = """
import os, sys
import uvicorn
sys.path.insert(0, {root!r})
os.environ["PYTHONPATH"] = {root!r}
from main import app

if __name__ == "__main__":
    uvicorn.run("main:app", workers=2, port=0, timeout_worker_healthcheck=60)
"""


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Return the folder in which the servers create their metrics folders."""
    return temporary(tmp_path)


def temporary(folder: Path) -> Path:
    """Create the temporary directory of a server that runs in this folder."""
    created = folder / "shared"
    created.mkdir()
    return created


def folders(shared: Path) -> list[Path]:
    return list(shared.glob("students-api-metrics-*"))


def workers(shared: Path) -> set[int]:
    """Return the process ids of the workers that have joined."""
    return {int(file.stem) for folder in folders(shared) for file in folder.glob("*.worker")}


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """Return a server with four workers, and its temporary directory."""
    folder = tmp_path_factory.mktemp("four")
    shared = temporary(folder)
    options = [
        "--workers",
        "4",
        "--timeout-worker-healthcheck",
        "60",
    ]  # four workers start slowly on a busy machine
    with serve(folder, *options, TMPDIR=str(shared)) as server:
        until(lambda: len([line for line in server.log_lines() if "embedded" in str(line["message"])]) >= 4)
        yield server, shared


def ask(server: Server, times: int) -> None:
    """Send many requests, each on its own connection, so that the kernel distributes them over the workers."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: httpx2.get(f"{server.url}/healthz", timeout=60).status_code, range(times)))
    assert answers == [200] * times


def files_with(shared: Path, text: bytes) -> list[Path]:
    return [file for folder in folders(shared) for file in folder.glob("*.db") if text in file.read_bytes()]


def test_every_worker_exports_the_requests_of_all_workers(four: tuple[Server, Path]) -> None:
    server, shared = four
    before = scraped(server.url, REQUESTS, **HEALTHZ)
    ask(server, 200)
    assert len(files_with(shared, b"/healthz")) > 1, "one worker has handled all requests"
    assert {scraped(server.url, REQUESTS, **HEALTHZ) for _ in range(20)} == {before + 200}
    assert scraped(server.url, "http_requests_in_flight") == 1  # the request for the metrics itself
    until(lambda: scraped(server.url, "mongodb_pool_connections_open") >= 4)


def test_counters_of_a_dead_worker_are_kept_and_its_gauges_removed(four: tuple[Server, Path]) -> None:
    server, shared = four
    ask(server, 100)
    count, members = scraped(server.url, REQUESTS, **HEALTHZ), workers(shared)
    victim = int(files_with(shared, b"/healthz")[0].stem.split("_")[1])
    assert files_with_name(shared, f"gauge_livesum_{victim}.db")
    kill(victim)

    until(lambda: scraped(server.url, REQUESTS) and victim not in workers(shared))  # the scraped worker detects it
    assert not files_with_name(shared, f"gauge_livesum_{victim}.db")
    assert scraped(server.url, REQUESTS, **HEALTHZ) == count
    until(lambda: workers(shared) - members)  # its replacement
    ask(server, 50)
    assert {scraped(server.url, REQUESTS, **HEALTHZ) for _ in range(10)} == {count + 50}


def files_with_name(shared: Path, name: str) -> list[Path]:
    return [file for folder in folders(shared) for file in folder.glob(name)]


def test_each_server_counts_from_zero(tmp_path: Path, shared: Path) -> None:
    """The second server starts after one that has stopped, and the third one after one that was killed."""
    options, where = ["--workers", "2"], {"TMPDIR": str(shared)}
    with serve(tmp_path, *options, **where) as server:
        ask(server, 20)
    assert folders(shared) == []

    with serve(tmp_path, *options, **where) as server:
        ask(server, 20)
        assert scraped(server.url, REQUESTS, **HEALTHZ) == 20
        (old,) = folders(shared)
        server.kill()
    assert old.exists()

    with serve(tmp_path, *options, **where) as server:
        assert scraped(server.url, REQUESTS, **HEALTHZ) == 0
        assert old not in folders(shared)


def test_two_servers_have_separate_metrics(tmp_path: Path, shared: Path) -> None:
    options, where = ["--workers", "2"], {"TMPDIR": str(shared)}
    with serve(tmp_path, *options, **where) as one, serve(tmp_path, *options, **where) as other:
        ask(one, 20)
        ask(other, 30)
        assert len(folders(shared)) == 2
        assert (scraped(one.url, REQUESTS, **HEALTHZ), scraped(other.url, REQUESTS, **HEALTHZ)) == (20, 30)


def test_workers_started_by_a_script_share_their_metrics(tmp_path: Path, shared: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SCRIPT.format(root=str(ROOT)))
    server = launch(tmp_path, str(script), TMPDIR=str(shared))
    try:
        until(lambda: len(workers(shared)) == 2)
        ask(server, 40)
        assert {scraped(server.url, REQUESTS, **HEALTHZ) for _ in range(10)} == {40}
    finally:
        server.stop()
    assert folders(shared) == []


def test_a_single_process_creates_no_folder(tmp_path: Path, shared: Path) -> None:
    with serve(tmp_path, TMPDIR=str(shared)) as server:
        ask(server, 10)
        assert scraped(server.url, REQUESTS, **HEALTHZ) == 10
        assert scraped(server.url, "process_open_fds") > 0
        assert folders(shared) == []


def test_a_reload_leaves_no_files_behind(tmp_path: Path, shared: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    with serve(tmp_path, "--reload", "--reload-dir", str(watched), TMPDIR=str(shared)) as server:
        ask(server, 10)
        assert scraped(server.url, REQUESTS, **HEALTHZ) == 10
        before = workers(shared)
        (watched / "changed.py").write_text("changed = True\n")
        until(lambda: bool(workers(shared) - before))
        server.wait_until_ready()
        ask(server, 10)
        assert scraped(server.url, REQUESTS, **HEALTHZ) >= 10
    assert folders(shared) == []
