"""The harness of `benchmarks.run` measures what it reports, and fails on errors, but never because of times."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from benchmarks import run, wrk
from benchmarks.common import UnexpectedStatus
from benchmarks.load import Answered, run_own
from benchmarks.peers import NAMES
from benchmarks.scenarios import SCENARIOS, Load, Scenario
from benchmarks.usage import cpu_seconds
from tests.processes import ROOT, kill, until

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

LIST, POST, PATCH = (next(one for one in SCENARIOS if one.name.startswith(name)) for name in ("list", "POST", "PATCH"))

BUSY = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"
PARENT_OF_BUSY = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"


class RecordingHandler(BaseHTTPRequestHandler):
    """Answers with success, or 404 for paths that begin with /nowhere, and records the requests."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, str, str]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.requests.append((self.command, self.path, self.headers["Authorization"], body))
        self.send_response(404 if self.path.startswith("/nowhere") else 201 if self.command == "POST" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PATCH = answer  # noqa: N815  # as the library calls them

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def recording_server() -> Iterator[tuple[str, list[tuple[str, str, str, str]]]]:
    """Run a server with this handler. Yield its URL and the requests that it recorded."""
    recorded: list[tuple[str, str, str, str]] = []
    handler = type("Handler", (RecordingHandler,), {"requests": recorded})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", recorded
        server.shutdown()


@pytest.fixture(params=["wrk", "own client"])
def run_load(request: pytest.FixtureRequest) -> Callable[[Load], Answered]:
    if request.param == "own client":
        return run_own
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed: only our own client was tested")
    return lambda load: Answered(**wrk.run(load))


def load_of(scenario: Scenario, url: str) -> Load:
    return Load(scenario, url, token="a-token", students=50, seconds=1, first=10_000_000, connections=4)


def test_a_smoke_run_measures_every_server_in_every_scenario(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks.run", "--smoke", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text())
    assert {"date", "machine", "versions", "load", "floor_threads"} <= set(written)
    assert written["figures"].keys() == {scenario.name for scenario in SCENARIOS}
    for scenario, servers in written["figures"].items():
        assert servers.keys() == set(NAMES)
        for name, row in servers.items():
            assert f"| {scenario} | {name} |" in done.stdout
            assert len(row.pop("windows")) == 1
            assert all(figure > 0 for figure in row.values()), (scenario, name, row)


def test_a_load_sends_the_requests_of_the_scenario(recording_server: Any, run_load: Callable[[Load], Answered]) -> None:
    url, requests = recording_server
    answered = run_load(load_of(POST, url))

    assert 0 < answered.requests <= len(requests)
    assert 0 < answered.p50 <= answered.p99
    assert {request[:3] for request in requests} == {("POST", "/students", "Bearer a-token")}
    made = [json.loads(body) for *_, body in requests]
    assert len({student["roll_no"] for student in made}) == len(made), "a roll number was used twice"
    assert made[0].keys() == {"roll_no", "name", "branch", "marks"}


def test_both_clients_send_the_same_requests(recording_server: Any) -> None:
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed, so there is only one client")
    url, requests = recording_server
    run_own(load_of(PATCH, url))
    ours = set(requests)
    requests.clear()
    wrk.run(load_of(PATCH, url))

    both = min(len(ours), len(requests)) // 2
    assert len(ours & set(requests)) > both, "the clients sent other students, or other marks"


@pytest.mark.parametrize("path", ["/nowhere", "/students"])
def test_a_response_without_success_fails_the_load(
    path: str, recording_server: Any, run_load: Callable[[Load], Answered]
) -> None:
    load = load_of(Scenario("missing", "GET", path), recording_server[0])
    if path == "/students":
        run_load(load)
    else:
        with pytest.raises(UnexpectedStatus, match="missing"):
            run_load(load)


def test_an_unreachable_server_fails_the_load(run_load: Callable[[Load], Answered]) -> None:
    with pytest.raises(UnexpectedStatus, match="list of 50"):
        run_load(load_of(LIST, "http://127.0.0.1:9"))


def test_a_failed_load_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(_: object) -> None:
        run_own(load_of(LIST, "http://127.0.0.1:9"))

    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["run", "--smoke"])
    with pytest.raises(SystemExit, match=r"^Unexpected response: list of 50"):
        run.main()


def test_the_processor_time_includes_that_of_children() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT_OF_BUSY], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())  # busy from now on, while its parent is not
        try:
            before = cpu_seconds(parent.pid)
            until(lambda: cpu_seconds(parent.pid) > before + 0.2)
        finally:
            kill(child)
