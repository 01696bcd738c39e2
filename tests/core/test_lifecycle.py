"""Tests of failed starts: one line gives the reason, and the process exits with an error status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

pytestmark = pytest.mark.process

UNREACHABLE = "mongodb://user:hunter2@127.0.0.1:1/?timeoutMS=200"
UVICORN = ["-m", "uvicorn", "--app-dir", str(ROOT), "--port", "0", "main:app"]
MAIN = [str(ROOT / "main.py")]


def failed_start(command: list[str], folder: Path, **environment: str) -> str:
    """Return the output of a start that must fail, after checking that it has no traceback and no password."""
    result = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PORT": "0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = result.stdout + result.stderr
    assert result.returncode not in (0, -6, -9, -11), output
    assert "Traceback" not in output
    assert "hunter2" not in output
    return output


@pytest.mark.parametrize("command", [MAIN, UVICORN], ids=["main.py", "uvicorn"])
def test_an_invalid_database_url_is_reported_in_one_line(command: list[str], tmp_path: Path) -> None:
    output = failed_start(command, tmp_path, MONGODB_URL="mongodb://user:hunter2@127.0.0.1:x/")
    logged = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    (error,) = [line for line in logged if "MONGODB_URL" in line["message"]]
    assert (error["level"], "\n" in error["message"]) == ("ERROR", False)


def test_a_command_does_not_wait_for_the_database(tmp_path: Path) -> None:
    output = failed_start(
        ["-m", "core", "create-admin", "alice"], tmp_path, MONGODB_URL=UNREACHABLE, PYTHONPATH=str(ROOT)
    )
    assert all(part in output for part in ("127.0.0.1:1", "MONGODB_URL"))
    assert output.count("\n") == 1


def test_workers_that_cannot_start_end_with_an_error(tmp_path: Path) -> None:
    output = failed_start(MAIN, tmp_path, MONGODB_URL="mongodb://user:hunter2@127.0.0.1:x/", WORKERS="2")
    assert "MONGODB_URL" in output


@pytest.mark.parametrize(
    ("first", "second"), [("PORT", "LOG_LEVEL"), ("MARKS_MAX", "IMPORT_DAYS")], ids=["process-wide", "of modules"]
)
def test_invalid_settings_are_reported_in_one_line(first: str, second: str, tmp_path: Path) -> None:
    output = failed_start(MAIN, tmp_path, **{first: "hunter2", second: "hunter2"})
    assert f" {first}: " in output
    assert f"; {second}: " in output
    assert "hunter2" not in output
    assert output.count("\n") == 1


def test_a_module_that_cannot_be_imported_is_reported_in_one_line(tmp_path: Path) -> None:
    text = "import core.registry as m, runpy\nm.discover.__defaults__ = ('no_such_package', ())\n"
    (tmp_path / "no_such_package" / "x").mkdir(parents=True)
    (tmp_path / "no_such_package" / "x" / "__init__.py").write_text("raise RuntimeError('oh')")
    (tmp_path / "start.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{text}runpy.run_path({MAIN[0]!r}, run_name='__main__')\n"
    )
    output = failed_start(["start.py"], tmp_path)
    file = tmp_path / "no_such_package" / "x" / "__init__.py"
    assert f"RuntimeError: oh ({file}, line 1)" in output
    assert output.count("\n") == 1
