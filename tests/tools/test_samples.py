"""The sample calls of the documentation, its quickstart and the client for event streams, run as people run them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.processes import ROOT
from tests.servers import PATIENCE, serve
from tests.tools.school import core_command

pytestmark = pytest.mark.process

# They read and draw, write a workbook, change, delete and restore a student, and send a file.
OPERATIONS = (
    "students-get",
    "analytics-draw-statistics",
    "transfers-get-marked-errors",
    "students-patch",
    "students-delete",
    "students-restore",
    "transfers-create",
)

# The command that runs a sample in a file with this suffix.
PROGRAMS = {"curl": ("sh", ".sh"), "Python": (sys.executable, ".py"), "TypeScript": ("node", ".mjs")}


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The made-up school of the demo, served: its URL, and the environment in which samples run as its teacher."""
    folder = tmp_path_factory.mktemp("demo")
    filled = core_command(folder, "demo")
    assert filled.returncode == 0, filled.stderr
    password = dict(re.findall(r"^  (\w+) +(\S+)$", filled.stdout, re.MULTILINE))["teacher"]
    with serve(folder) as server, server.client() as client:
        token = client.post("/login", data={"username": "teacher", "password": password}).json()["access_token"]
        environment = os.environ | {"API": server.url, "TOKEN": token}
        yield SimpleNamespace(url=server.url, client=client, environment=environment)


def run(program: str, file: Path, environment: dict[str, str]) -> str:
    """What a program prints; it must succeed."""
    done = subprocess.run(
        [program, file], cwd=file.parent, env=environment, capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("label", PROGRAMS)
def test_sample_calls_work(school: SimpleNamespace, label: str, tmp_path: Path) -> None:
    program, suffix = PROGRAMS[label]
    if not shutil.which({"sh": "curl"}.get(program, program)) or (label == "Python" and not find_spec("requests")):
        pytest.skip(f"what runs the samples for {label} is missing")
    samples = {
        operation["operationId"]: sample["source"]
        for operations in school.client.get("/openapi.json").json()["paths"].values()
        for operation in operations.values()
        for sample in operation["x-codeSamples"]
        if sample["label"] == label
    }
    printed = {}
    for name in OPERATIONS:
        file = (tmp_path / name).with_suffix(suffix)
        file.write_text(samples[name], encoding="utf-8")
        printed[name] = run(program, file, school.environment)

    assert "Asha Rao" in printed["students-get"]
    assert printed["analytics-draw-statistics"].startswith("<svg ")
    assert (tmp_path / "errors.xlsx").read_bytes().startswith(b"PK")
    assert "93" in printed["students-patch"]
    assert printed["students-delete"] == ""
    assert "Asha Rao" in printed["students-restore"]
    assert "done" in printed["transfers-create"]
    assert not [text for text in printed.values() if "/problems/" in text]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing")
def test_the_client_for_event_streams_signs_in_and_follows_an_import(school: SimpleNamespace, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "changes.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```js\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "progress.mjs"
    file.write_text(program, encoding="utf-8")
    rows = "".join(f"T{number},Student {number},Physics,{number % 100}\n" for number in range(5000))
    headers = {
        "Authorization": f"Bearer {school.environment['TOKEN']}",
        "Content-Type": "text/csv",
        "Prefer": "respond-async",
    }
    started = school.client.post("/imports", content=f"roll_no,name,branch,math\n{rows}", headers=headers)
    assert started.status_code == 202, started.text

    states = run("node", file, school.environment | {"IMPORT_ID": started.json()["id"]}).splitlines()

    assert states[-1] == "done 100"
    with pytest.raises(AssertionError, match="unauthenticated"):
        run("node", file, school.environment | {"IMPORT_ID": started.json()["id"], "TOKEN": "wrong"})


def test_the_quickstart_works(tmp_path: Path) -> None:
    with serve(tmp_path) as server, server.client() as client:
        description = client.get("/openapi.json").json()["info"]["description"]
        file = tmp_path / "quickstart.sh"
        file.write_text("set -eu\n" + re.findall(r"```sh\n(.*?)```", description, re.DOTALL)[0], encoding="utf-8")
        printed = run("sh", file, dict(os.environ))
    assert re.findall(r'"(?:username|roll_no)":"(\w+)"', printed) == ["alice", "S101", "S101"]
