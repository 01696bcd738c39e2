"""`python -m core import` and `export`, as they are typed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from tests.processes import ROOT
from tests.transfers.helpers import add, counts, imported, read_table, student, students

CLASS = "roll_no,name,branch,math\nS1,Asha,Physics,91\nS2,Zoë,Art,\n"
BAD = CLASS + "S3,Łuk,Art,950\nS1,Again,Art,1\n"


class Run:
    """Runs a command against the tests' database, in a folder of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        assert settings.mongodb_url
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MONGODB_URL": settings.mongodb_url.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
        }

    def write(self, name: str, content: str | bytes) -> None:
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    return Run(settings, tmp_path)


def test_a_file_is_imported(run: Run, teacher: TestClient) -> None:
    run.write("class.csv", CLASS)

    done = run("import", "class.csv")

    assert done.returncode == 0, done.stderr
    assert "2 rows: 2 new, 0 changed, 0 as they were, 0 wrong." in done.stdout
    assert students(teacher) == {"S1": student("Asha", "Physics", math=91), "S2": student("Zoë", "Art")}
    (told,) = teacher.get("/imports").json()
    assert (told["by"], told["state"], told["filename"]) == ("terminal", "done", "class.csv")
    assert told["id"] in done.stdout
    assert teacher.post(f"/imports/{told['id']}/undo").json()["restored"] == 2


def test_a_dry_run_writes_nothing(run: Run, teacher: TestClient) -> None:
    run.write("class.csv", CLASS)

    done = run("import", "class.csv", "--dry-run")

    assert done.returncode == 0
    assert "2 new" in done.stdout
    assert "Nothing was written: this was a dry run." in done.stdout
    assert students(teacher) == {}


def test_a_dry_run_fails_where_the_import_would(run: Run, teacher: TestClient) -> None:
    run.write("class.csv", BAD)

    done = run("import", "class.csv", "--dry-run")
    skipped = run("import", "class.csv", "--dry-run", "--skip-errors")

    assert (done.returncode, skipped.returncode) == (1, 0)
    assert "Line 4, math: A mark lies between 0 and 100." in done.stderr
    assert "Nothing was written: this was a dry run." in done.stderr
    assert students(teacher) == {}


def test_bad_rows_are_told_with_their_lines(run: Run, teacher: TestClient) -> None:
    run.write("class.csv", BAD)

    done = run("import", "class.csv")

    assert (done.returncode, done.stdout) == (1, "")
    assert "Line 4, math: A mark lies between 0 and 100." in done.stderr
    assert "Line 5, roll_no: Lines 2 and 5 have the same roll number." in done.stderr
    assert "Nothing was written." in done.stderr
    assert students(teacher) == {}

    skipped = run("import", "class.csv", "--skip-errors")

    assert "2 new, 0 changed, 0 as they were, 2 wrong" in skipped.stdout
    assert list(students(teacher)) == ["S1", "S2"]


def test_a_mode_and_blanks_can_be_chosen(run: Run, teacher: TestClient) -> None:
    add(teacher, "S1", math=5)
    run.write("class.csv", "roll_no,math\nS1,\n")
    run.write("class.ndjson", '{"roll_no":"S1","name":"A","branch":"B"}\n')

    assert run("import", "class.ndjson", "--mode", "insert").returncode == 1
    assert run("import", "class.csv", "--mode", "update", "--remove-blanks").returncode == 0
    assert students(teacher) == {"S1": student("Asha", "Physics")}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.csv", None, "absent.csv cannot be read: No such file"),
        ("class.csv", CLASS.encode("utf-16"), "UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_words(
    run: Run, teacher: TestClient, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        run.write(name, content)

    done = run("import", name)

    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert all(one["state"] == "failed" for one in teacher.get("/imports").json())


def test_students_are_exported(run: Run, teacher: TestClient) -> None:
    imported(teacher, CLASS)

    whole = run("export", "all.csv")
    lines = run("export", "all.ndjson")
    some = run("export", "some.csv", "--select", "branch=Physics&branch=Art&marks.math.gte=50&sort=-name")

    assert (whole.returncode, whole.stdout) == (0, "Wrote 2 students to all.csv.\n"), whole.stderr
    assert (run.folder / "all.csv").read_bytes() == teacher.get("/exports/students").content
    assert lines.returncode == 0
    assert (run.folder / "all.ndjson").read_bytes() == teacher.get("/exports/students?format=ndjson").content
    assert some.returncode == 0
    assert [row[0] for row in read_table((run.folder / "some.csv").read_text("utf-8-sig"))] == ["roll_no", "S1"]
    assert sorted(path.suffix for path in run.folder.iterdir()) == [".csv", ".csv", ".ndjson"]
    assert counts(imported(teacher, (run.folder / "all.csv").read_bytes())) == (2, 0, 0, 2, 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["out.csv", "--select", "sort=age"], "sort: "),
        (["out.csv", "--select", "branch"], "name=value"),
        (["absent/out.csv"], "absent/out.csv cannot be written: No such file"),
    ],
)
def test_an_export_that_cannot_be_made_is_told_in_words(
    run: Run, client: TestClient, arguments: list[str], reason: str
) -> None:
    done = run("export", *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert list(run.folder.iterdir()) == []


def test_help_tells_the_options(run: Run) -> None:
    everything, importing, exporting = run("--help"), run("import", "--help"), run("export", "--help")

    assert "import students from a CSV or NDJSON file" in everything.stdout
    assert "export students to a CSV or NDJSON file" in everything.stdout
    for option in ("--mode", "--dry-run", "--skip-errors", "--remove-blanks"):
        assert option in importing.stdout
    assert "--select" in exporting.stdout
