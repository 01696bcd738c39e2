"""Rows that may mean another student than the one with their roll number are rejected, unless `identity=exact`."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

import core.database.client
from core.identity import Role
from core.settings import Settings
from modules.transfers.imports.row_reader import BATCH
from tests.auth.people import as_teacher, make
from tests.conftest import AppClient
from tests.transfers.helpers import CSV, JSON, NDJSON, add, counts, imported, lines, send, student, students, table

HEADER = ["roll_no", "name", "branch", "math"]
MARKS = ["roll_no", "math"]

# What is stored before a file is imported: roll number to name.
Stored = dict[str, str]


def of(*rows: list[object]) -> str:
    """Return a file of these rows."""
    return table([HEADER, *rows])


def store(client: TestClient, stored: Stored) -> None:
    for roll_no, name in stored.items():
        add(client, roll_no, name)


def rejected(
    client: TestClient, content: str, media: str = "text/csv", **params: Any
) -> list[tuple[int, str, str, str]]:
    """Import a file in which rows are invalid, first in a dry run, and with each way to handle errors. Return the line,
    the code, the field and the sentence of each error; they are the same each time, and nothing is written."""
    before = students(client)
    found = []
    for more in ({"dry_run": "true"}, {}, {"on_error": "skip", "dry_run": "true"}):
        answer = send(client, content, media, None, **{**params, **more}).json()
        assert answer["failed"] == len(answer["errors"]) > 0, answer
        found.append([(one["line"], one["code"], one["field"], one["detail"]) for one in answer["errors"]])
        assert students(client) == before
    assert found[0] == found[1] == found[2]
    return found[0]


def codes(errors: list[tuple[int, str, str, str]]) -> list[tuple[int, str, str]]:
    return [(line, code, field) for line, code, field, _ in errors]


def test_a_list_that_lost_its_leading_zeros_creates_no_second_student(any_teacher: TestClient) -> None:
    imported(any_teacher, of(["0142", "Asha Rao", "Physics", 91], ["0143", "Bo Li", "Physics", 80]))
    back = of(["142", "Asha Rao", "Physics", 95], ["143", "Bo Li", "Physics", 80])

    errors = rejected(any_teacher, back)

    assert codes(errors) == [(2, "identity_similar", "roll_no"), (3, "identity_similar", "roll_no")]
    assert errors[0][3] == (
        "There is a student 0142; a spreadsheet may have removed the leading zeros. Correct the roll number, or use "
        "identity=exact, which imports 142 as another student."
    )
    report = imported(any_teacher, back, identity="exact")
    assert (report["identity"], counts(report)) == ("exact", (2, 2, 0, 0, 0))
    assert set(students(any_teacher)) == {"0142", "0143", "142", "143"}


@pytest.mark.parametrize(
    ("stored", "roll_no", "cause"),
    [
        ("142", "0142", "they differ only in leading zeros"),
        ("142", "142.0", "a spreadsheet may have written 142 as 142.0"),
        ("1420", "1.420", "a spreadsheet may have written 1420 as 1.420"),
        ("0142", "142.0", "a spreadsheet may have written 0142 as 142.0"),
        ("CS-101", "cs-101", "cs-101 and CS-101 differ only in upper and lower case"),
        ("CS-007", "CS-7", "a spreadsheet may have removed the leading zeros"),
        ("CS-101", "CS_101", "CS_101 and CS-101 differ only in how they are written"),
        ("CS-101", "CS101", "CS101 and CS-101 differ only in how they are written"),
    ],
)
def test_the_cause_is_told(teacher: TestClient, stored: str, roll_no: str, cause: str) -> None:
    add(teacher, stored, "Asha Rao")

    (error,) = rejected(teacher, of([roll_no, "Asha Rao", "Physics", 1]))

    assert error[:3] == (2, "identity_similar", "roll_no")
    assert error[3].startswith(f"There is a student {stored}; {cause}. ")


@pytest.mark.parametrize("roll_no", ["1.42E+02", "\uff11\uff14\uff12", "0142 a"])
def test_what_is_no_roll_number_is_rejected_as_such(teacher: TestClient, roll_no: str) -> None:
    add(teacher, "142", "Asha Rao")

    for content, media in ((of([roll_no, "Asha Rao", "P", 1]), "text/csv"), (lines([{"roll_no": roll_no}]), NDJSON)):
        ((_, code, field, _),) = rejected(teacher, content, media)
        assert field == "roll_no"
        assert not code.startswith("identity")


def test_two_rows_of_a_file_that_may_be_one_student(teacher: TestClient) -> None:
    rows = of(["CS-101", "Di Em", "Physics", 60], ["cs-101", "Di Em", "Physics", 61])

    (error,) = rejected(teacher, rows)

    assert error[:3] == (3, "identity_similar", "roll_no")
    assert error[3].startswith(
        "Lines 2 and 3 may be the same student: cs-101 and CS-101 differ only in upper and lower"
    )
    assert counts(imported(teacher, rows, on_error="skip")) == (2, 1, 0, 0, 1)
    assert set(students(teacher)) == {"CS-101"}
    assert counts(imported(teacher, rows, identity="exact")) == (2, 1, 0, 1, 0)


def test_an_earlier_row_in_another_batch_is_told_the_same_way(teacher: TestClient) -> None:
    number = 3 * BATCH  # the first batch is stored before the last one is compared
    between = [[f"S{other}", "Bo Li", "Physics", other % 90] for other in range(number)]
    rows = of(["0142", "Asha Rao", "Physics", 1], *between, ["142", "Asha Rao", "Physics", 1])

    dry = send(teacher, rows, dry_run="true", on_error="skip").json()
    real = send(teacher, rows, on_error="skip").json()

    assert counts(dry) == counts(real) == (number + 2, number + 1, 0, 0, 1)
    assert dry["errors"] == real["errors"]
    assert real["errors"][0]["detail"].startswith(f"Lines 2 and {number + 3} may be the same student")


def test_a_file_with_stored_twins_can_be_imported_unchanged(teacher: TestClient) -> None:
    rows = of(["70", "Asha Rao", "Physics", 1], ["070", "Bo Li", "Physics", 2], ["0070", "Bo Li", "Physics", 2])
    imported(teacher, rows, identity="exact")

    assert counts(imported(teacher, teacher.get("/exports/students").text)) == (3, 0, 0, 3, 0)
    assert counts(imported(teacher, table([MARKS, ["70", 3], ["070", 4]]))) == (2, 0, 2, 0, 0)


def test_a_row_does_not_overwrite_the_student_with_a_similar_number(teacher: TestClient) -> None:
    store(teacher, {"70": "Asha Rao", "070": "Bo Li"})
    rows = of(["70", "Bo Li", "Physics", 1])

    (error,) = rejected(teacher, rows)

    assert error[:3] == (2, "identity_other", "roll_no")
    assert error[3] == (
        "The student 70 is Asha Rao, and Bo Li is the student 070; a spreadsheet may have removed the leading zeros. "
        "Correct the roll number, or use identity=exact, which changes the name of 70."
    )
    assert counts(imported(teacher, rows, identity="exact")) == (1, 0, 1, 0, 0)


def test_swapped_names_are_rejected_in_both_rows(teacher: TestClient) -> None:
    store(teacher, {"70": "Asha Rao", "070": "Bo Li"})

    errors = rejected(teacher, of(["70", "Bo Li", "Physics", 1], ["070", "asha rao", "Physics", 1]))

    assert codes(errors) == [(2, "identity_other", "roll_no"), (3, "identity_other", "roll_no")]


@pytest.mark.parametrize("name", ["Asha Roa", "Asha Ra", "Aasha Rao", "Usha Rao", "ASHA RAO", "\u00c1sha Rao"])
def test_a_name_that_is_nearly_the_stored_one_is_rejected(teacher: TestClient, name: str) -> None:
    add(teacher, "S1", "Asha Rao")
    rows = of(["S1", name, "Physics", 1])

    (error,) = rejected(teacher, rows)

    assert error[:3] == (2, "name_similar", "name")
    assert "The stored name of S1 is Asha Rao," in error[3]
    imported(teacher, rows, identity="exact")
    assert students(teacher)["S1"]["name"] == name


def test_another_name_is_a_change(teacher: TestClient) -> None:
    store(teacher, {"70": "Asha Rao", "070": "Bo Li"})

    assert counts(imported(teacher, of(["70", "Asha Sharma", "Physics", 1]))) == (1, 0, 1, 0, 0)


def test_an_old_roll_number_of_a_renamed_student_is_recognized(teacher: TestClient) -> None:
    add(teacher, "0142", "Asha Rao")
    assert teacher.post("/students/0142/rename", json={"roll_no": "2026-1"}).status_code == 200

    errors = rejected(teacher, of(["0142", "Asha Rao", "Physics", 1], ["S2", "Bo Li", "Physics", 1]))

    assert codes(errors) == [(2, "identity_similar", "roll_no")]
    assert "There is a student 2026-1; this student had the roll number 0142, or one that" in errors[0][3]


def test_an_old_number_that_another_student_has_now(teacher: TestClient) -> None:
    add(teacher, "1", "Asha Rao")
    assert teacher.post("/students/1/rename", json={"roll_no": "2"}).status_code == 200
    add(teacher, "1", "Bo Li")

    assert codes(rejected(teacher, of(["1", "Asha Rao", "Physics", 1]))) == [(2, "identity_other", "roll_no")]
    assert counts(imported(teacher, of(["1", "Bo Li", "Physics", 1], ["2", "Asha Rao", "Physics", 1])))[2] == 2


def test_a_renamed_student_whom_the_file_also_changes_is_recognized_in_a_later_batch(teacher: TestClient) -> None:
    add(teacher, "OLD", "Asha Rao")
    assert teacher.post("/students/OLD/rename", json={"roll_no": "NEW"}).status_code == 200
    between = [[f"S{number}", "Bo Li", "Physics", number % 90] for number in range(2 * BATCH)]
    rows = of(["NEW", "Asha Rao", "Physics", 1], *between, ["OLD", "Asha Rao", "Physics", 1])

    dry = send(teacher, rows, dry_run="true", on_error="skip").json()
    real = send(teacher, rows, on_error="skip").json()

    assert counts(dry) == counts(real)
    assert dry["errors"] == real["errors"] != []


def test_names_that_the_import_itself_changes_raise_no_doubt(teacher: TestClient) -> None:
    """Otherwise the writing pass would reject what the validating pass has accepted."""
    store(teacher, {"70": "Asha Rao", "070": "Bo Li"})
    between = [[f"S{number}", "Bo Li", "Physics", number % 90] for number in range(2 * BATCH)]
    rows = of(["070", "Zia Khan", "Physics", 1], *between, ["70", "Zia Khan", "Physics", 1])

    assert imported(teacher, rows)["updated"] == 2


def test_a_deleted_student_is_not_similar(teacher: TestClient) -> None:
    add(teacher, "0142", "Asha Rao")
    assert teacher.delete("/students/0142").status_code == 204

    assert counts(imported(teacher, of(["142", "Asha Rao", "Physics", 1]))) == (1, 1, 0, 0, 0)
    assert codes(rejected(teacher, of(["0142", "Asha Rao", "Physics", 1]))) == [(2, "identity_similar", "roll_no")]


def test_rows_that_only_create_or_only_change_students(teacher: TestClient) -> None:
    store(teacher, {"0142": "Asha Rao", "S1": "Bo Li"})
    rows = of(["142", "Asha Rao", "Physics", 1], ["S1", "Bo Lii", "Physics", 1])

    only_new = rejected(teacher, rows, mode="insert")
    assert codes(only_new) == [(2, "identity_similar", "roll_no"), (3, "exists", "roll_no")]
    only_changes = rejected(teacher, rows, mode="update")
    assert codes(only_changes) == [(2, "identity_similar", "roll_no"), (3, "name_similar", "name")]
    assert only_changes[0][3].endswith("Correct the roll number.")
    assert codes(rejected(teacher, rows, mode="update", identity="exact")) == [(2, "absent", "roll_no")]


def test_rows_without_a_name(teacher: TestClient) -> None:
    store(teacher, {"0142": "Asha Rao", "S1": "Bo Li"})

    assert codes(rejected(teacher, table([MARKS, ["142", 1], ["S1", 2]]))) == [(2, "identity_similar", "roll_no")]
    assert counts(imported(teacher, of(["S1", "", "", 3]))) == (1, 0, 1, 0, 0)


def test_a_doubtful_row_is_not_stored_with_an_erased_student(
    teacher: TestClient, client: TestClient, settings: Settings
) -> None:
    store(teacher, {"07": "Asha Rao", "S1": "Bo Li"})
    rows = of(["7", "Someone", "Physics", 1], ["S1", "Bo Le", "Physics", 1], ["Z1", "A", "B", 1], ["z1", "A", "B", 1])
    report = send(teacher, rows).json()
    admin = make(client, settings, "principal", Role.ADMIN)

    for roll_no in ("07", "S1"):
        assert admin.ask("DELETE", f"/students/{roll_no}?purge=true").status_code == 204

    errors = teacher.get(f"/imports/{report['id']}").json()["errors"]
    assert [(error["line"], error["code"]) for error in errors] == [
        (2, "erased"),
        (3, "erased"),
        (5, "identity_similar"),
    ]


class Finds(CommandListener):
    """Counts the queries of students."""

    def __init__(self) -> None:
        self.filters: list[Any] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command.get("find") == "students":
            self.filters.append(event.command["filter"])

    def succeeded(self, event: object) -> None:
        """Ignore the result."""

    def failed(self, event: object) -> None:
        """Ignore the failure."""


def test_similar_students_are_sought_once_for_a_batch(
    no_app: None, open_client: AppClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds = Finds()
    monkeypatch.setitem(core.database.client._CLIENT_OPTIONS, "event_listeners", [finds])
    teacher = as_teacher(open_client(), settings)
    roll_nos = [f"0{number}" for number in range(1, 2 * BATCH + 1)]
    imported(teacher, of(*([roll_no, "Asha Rao", "Physics", int(roll_no) % 90] for roll_no in roll_nos)))

    def sought(rows: str, **params: Any) -> tuple[JSON, int, int]:
        finds.filters.clear()
        answer = send(teacher, rows, CSV, None, **params).json()
        similar = sum("keys.identities" in one for one in finds.filters)
        return answer, len(finds.filters), similar

    answer, number, similar = sought(
        of(*([roll_no[1:], "Asha Rao", "P", int(roll_no) % 90] for roll_no in roll_nos)), dry_run="true"
    )
    assert (answer["failed"], number, similar) == (2 * BATCH, 4, 2)
    answer, number, similar = sought(
        of(*([roll_no, "Asha Rao", "P", int(roll_no) % 90] for roll_no in roll_nos)), dry_run="true"
    )
    assert (answer["failed"], number, similar) == (0, 2, 0)
    rows = of(*([f"X{roll_no}", "Asha Rao", "P", int(roll_no) % 90] for roll_no in roll_nos))
    answer, _, similar = sought(rows, dry_run="true", identity="exact")
    assert (answer["created"], similar) == (2 * BATCH, 0)


def test_a_student_who_is_stored_stays_what_it_is(teacher: TestClient) -> None:
    store(teacher, {"0142": "Asha Rao"})

    assert counts(imported(teacher, of(["0142", "Asha Rao", "Physics", 1]))) == (1, 0, 1, 0, 0)
    assert students(teacher) == {"0142": student("Asha Rao", "Physics", math=1)}


def test_a_number_with_decimals_is_no_new_roll_number(teacher: TestClient) -> None:
    text = of(["142.0", "Asha Rao", "Physics", 91], ["1.50", "Bo Li", "Physics", 80])

    (error,) = rejected(teacher, text)

    assert error[:3] == (2, "identity_decimal", "roll_no")
    assert "written the number 142 as 142.0" in error[3]
    imported(teacher, text, identity="exact")
    assert set(students(teacher)) == {"142.0", "1.50"}
