"""The commands `python -m core import` and `export`."""

import shlex
import signal

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from tests.processes import until
from tests.servers import PATIENCE
from tests.terminal import Terminal
from tests.transfers.helpers import JSON, add, counts, imported, read_table, student, students
from tests.transfers.workbooks import Sheet, xlsx

pytestmark = pytest.mark.process

CLASS = "roll_no,name,branch,math\nS1,Asha,Physics,91\nS2,Zoë,Art,\n"
BAD = CLASS + "S3,Łuk,Art,950\nS1,Again,Art,1\n"


def test_a_file_is_imported(terminal: Terminal, teacher: TestClient) -> None:
    terminal.write("class.csv", CLASS)

    done = terminal("import", "class.csv", "--yes")

    assert done.returncode == 0, done.stderr
    assert "2 rows: 2 created, 0 updated, 0 unchanged, 0 failed." in done.stdout
    assert students(teacher) == {"S1": student("Asha", "Physics", math=91), "S2": student("Zoë", "Art")}
    (report,) = teacher.get("/imports").json()
    assert (report["by"], report["state"], report["filename"]) == ("(terminal)", "done", "class.csv")
    assert report["id"] in done.stdout
    assert teacher.post(f"/imports/{report['id']}/undo").json()["restored"] == 2


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_an_import_shows_what_it_takes_a_file_for_and_asks(
    terminal: Terminal, teacher: TestClient, typed: str, code: int
) -> None:
    terminal.write("class.csv", "Roll No,Name,Maths,Rank\nS1,Asha,91,1\n")

    undecided = terminal("import", "class.csv", "--yes", "--options", "branch=8B")
    done = terminal("import", "class.csv", "--options", "branch=8B&ignore=Rank", typed=typed)

    assert undecided.returncode == 1
    assert "--options 'ignore=Rank&branch=8B'" in undecided.stderr
    for line in ("Roll No  roll_no", "Maths    subject Maths (new)  91", "Rank     ignored"):
        assert line in done.stderr
    assert done.returncode == code
    assert students(teacher) == ({} if code else {"S1": student("Asha", "8B", Maths=91)})


def test_the_options_that_are_proposed_can_be_pasted(terminal: Terminal, teacher: TestClient) -> None:
    rows = ["S1,Asha,91,1,x,y", ",Total,91,1,x,y", "S2,Bo,80,2,y,x", "Average,,80,2,x,y"]
    text = "Roll No,Name,Maths,Rank,R&D + 100%,Bo's\n" + "".join(f"{row}\n" for row in rows)
    terminal.write("class.csv", text)

    undecided = terminal("import", "class.csv", "--options", "branch=8B")
    proposed = shlex.split(undecided.stderr.rpartition("To follow the table: ")[2])
    done = terminal("import", "class.csv", *proposed, "--yes")

    assert done.returncode == 0, done.stderr
    assert students(teacher) == {"S1": student("Asha", "8B", Maths=91), "S2": student("Bo", "8B", Maths=80)}


def test_a_stopped_import_can_be_resumed_at_once(
    terminal: Terminal, teacher: TestClient, database: Database[JSON]
) -> None:
    rows = 20_000
    terminal.write("school.csv", "roll_no,name,branch\n" + "".join(f"S{number},A,B\n" for number in range(rows)))
    with terminal.begin("import", "school.csv", "--skip-errors", "--yes") as importing:
        until(lambda: database["students"].count_documents({}) > 0)

        importing.send_signal(signal.SIGINT)
        _, errors = importing.communicate(timeout=PATIENCE)

    (report,) = teacher.get("/imports").json()
    address = f"POST /imports/{report['id']}"
    assert all(f"{address}/{action}" in errors for action in ("resume", "undo"))
    assert importing.returncode == 130
    assert "Traceback" not in errors
    assert report["state"] == "interrupted"
    assert teacher.post(f"/imports/{report['id']}/resume").json()["created"] == rows


def test_a_dry_run_writes_nothing(terminal: Terminal, teacher: TestClient) -> None:
    terminal.write("class.csv", CLASS)

    done = terminal("import", "class.csv", "--yes", "--dry-run")

    assert done.returncode == 0
    assert "2 created" in done.stdout
    assert students(teacher) == {}


def test_a_sheet_of_a_workbook_is_imported(terminal: Terminal, teacher: TestClient) -> None:
    class_ = Sheet("8B", [["roll_no", "name", "branch"], ["S1", "Asha", "Physics"]])
    (terminal.folder / "school.xlsx").write_bytes(xlsx(Sheet("Notes", [["Dear all"]]), class_))

    refused = terminal("import", "school.xlsx", "--yes")
    done = terminal("import", "school.xlsx", "--yes", "--sheet", "8b")

    assert (refused.returncode, '"Notes", "8B"' in refused.stderr) == (1, True)
    assert (done.returncode, students(teacher)) == (0, {"S1": student("Asha", "Physics")})


def test_changed_names_and_new_subjects_are_told(terminal: Terminal, teacher: TestClient) -> None:
    add(teacher, "S1", "Bo", math=5)
    terminal.write("class.csv", "roll_no,name,branch,math,art\nS1,Asha,Physics,91,1\nS2,Zoë,Art,,2\n")

    done = terminal("import", "class.csv", "--yes", "--dry-run")
    terminal("import", "class.csv", "--yes")
    again = terminal("import", "class.csv", "--yes")

    (name_changes, subjects) = done.stdout.splitlines()[1:3]
    assert name_changes.startswith("Name changes: 1.")
    assert subjects == "New subjects: art (2 rows)"
    assert all(word not in again.stdout for word in ("Name changes", "New subjects"))


def test_a_dry_run_fails_where_the_import_would(terminal: Terminal, teacher: TestClient) -> None:
    terminal.write("class.csv", BAD)

    done = terminal("import", "class.csv", "--yes", "--dry-run")
    skipped = terminal("import", "class.csv", "--yes", "--dry-run", "--skip-errors")

    assert (done.returncode, skipped.returncode) == (1, 0)
    assert "Line 4, math: " in done.stderr
    assert students(teacher) == {}


def test_invalid_rows_are_reported_with_their_lines(terminal: Terminal, teacher: TestClient) -> None:
    terminal.write("class.csv", BAD)

    done = terminal("import", "class.csv", "--yes")

    assert (done.returncode, done.stdout) == (1, "")
    assert "Line 4, math: " in done.stderr
    assert "Line 5, roll_no: " in done.stderr
    assert students(teacher) == {}

    skipped = terminal("import", "class.csv", "--yes", "--skip-errors")

    assert "2 created, 0 updated, 0 unchanged, 2 failed" in skipped.stdout
    assert list(students(teacher)) == ["S1", "S2"]


def test_the_mode_and_the_meaning_of_blanks_are_options(terminal: Terminal, teacher: TestClient) -> None:
    add(teacher, "S1", math=5)
    terminal.write("class.csv", "roll_no,math\nS1,\n")
    terminal.write("class.ndjson", '{"roll_no":"S1","name":"A","branch":"B"}\n')

    assert terminal("import", "class.ndjson", "--yes", "--mode", "insert").returncode == 1
    assert terminal("import", "class.csv", "--yes", "--mode", "update", "--remove-blanks").returncode == 0
    assert students(teacher) == {"S1": student("Asha", "Physics")}


def test_similar_roll_numbers_are_rejected_unless_they_are_exact(terminal: Terminal, teacher: TestClient) -> None:
    add(teacher, "0142")
    terminal.write("class.csv", "roll_no,name,branch\n142,Asha,Physics\n")

    rejected = terminal("import", "class.csv", "--yes")
    assert (rejected.returncode, "Line 2, roll_no: There is a student 0142;" in rejected.stderr) == (1, True)
    assert terminal("import", "class.csv", "--yes", "--identity", "exact").returncode == 0
    assert set(students(teacher)) == {"0142", "142"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.csv", None, "absent.csv"),
        ("class.csv", CLASS.encode("utf-16-le"), "UTF-16 with a byte order mark"),
    ],
)
def test_an_unreadable_file_is_a_clear_error(
    terminal: Terminal, teacher: TestClient, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        terminal.write(name, content)

    done = terminal("import", name, "--yes")

    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert all(one["state"] == "failed" for one in teacher.get("/imports").json())


def test_students_are_exported(terminal: Terminal, teacher: TestClient) -> None:
    imported(teacher, CLASS)

    whole = terminal("export", "all.csv")
    lines = terminal("export", "all.ndjson")
    some = terminal("export", "some.csv", "--select", "branch=Physics&branch=Art&marks.math.gte=50&sort=-name")

    assert (whole.returncode, "all.csv" in whole.stdout) == (0, True), whole.stderr
    assert (terminal.folder / "all.csv").read_bytes() == teacher.get("/exports/students").content
    assert lines.returncode == 0
    assert (terminal.folder / "all.ndjson").read_bytes() == teacher.get("/exports/students?format=ndjson").content
    assert some.returncode == 0
    assert [row[0] for row in read_table((terminal.folder / "some.csv").read_text("utf-8-sig"))] == ["roll_no", "S1"]
    assert sorted(path.suffix for path in terminal.folder.iterdir()) == [".csv", ".csv", ".ndjson"]
    assert counts(imported(teacher, (terminal.folder / "all.csv").read_bytes())) == (2, 0, 0, 2, 0)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["out.csv", "--select", "sort=age"], "sort: "),
        (["out.csv", "--select", "branch"], "name=value"),
        (["absent/out.csv"], "absent/out.csv"),
    ],
)
def test_an_impossible_export_is_a_clear_error(
    terminal: Terminal, client: TestClient, arguments: list[str], reason: str
) -> None:
    done = terminal("export", *arguments)

    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert list(terminal.folder.iterdir()) == []


def test_help_lists_the_options(terminal: Terminal) -> None:
    everything, importing, exporting = terminal("--help"), terminal("import", "--help"), terminal("export", "--help")

    assert all(command in everything.stdout for command in ("import", "export"))
    for option in ("--mode", "--dry-run", "--skip-errors", "--remove-blanks", "--identity"):
        assert option in importing.stdout
    assert "--select" in exporting.stdout


def test_an_export_follows_no_link_and_is_private(terminal: Terminal, client: TestClient) -> None:
    (terminal.folder / "target").write_text("mine")
    (terminal.folder / "linked.csv.part").symlink_to("target")

    refused, done = terminal("export", "linked.csv"), terminal("export", "plain.csv")

    assert (refused.returncode, done.returncode) == (1, 0)
    assert (terminal.folder / "target").read_text() == "mine"
    assert (terminal.folder / "plain.csv").stat().st_mode & 0o777 == 0o600
