"""What the columns of a file are taken for, and what is wrong with a header."""

import pytest
from fastapi.testclient import TestClient

from modules.transfers.columns.assignment import assign
from modules.transfers.columns.cell_values import ValueOptions
from modules.transfers.columns.columns import Columns
from modules.transfers.files.table import InvalidFile, RawRow
from modules.transfers.options import ColumnOptions
from tests.transfers.helpers import imported, read_table, send, student, students

OPTIONS = ColumnOptions()
COLUMNS = Columns(assign(["roll_no", "name", "", "math"], OPTIONS), OPTIONS, ValueOptions())


@pytest.mark.parametrize(
    "text",
    [
        "Roll No,Full Name,Department,Maths\nS1,Asha Rao,CSE,55\n",
        "ROLL_NO,NAME,BRANCH,Maths\nS1,Asha Rao,CSE,55\n",
        '"Matrikel-Nr.";Vor- und Nachname;Studiengang;Maths\nS1;Asha Rao;CSE;55\n',
        "Maths,Nom,Filière,N° étudiant\n55,Asha Rao,CSE,S1\n",
        "अनुक्रमांक,नाम,शाखा,Maths\nS1,Asha Rao,CSE,55\n",
    ],
)
def test_columns_are_recognised_by_their_words(teacher: TestClient, text: str) -> None:
    imported(teacher, text)

    assert students(teacher) == {"S1": student("Asha Rao", "CSE", Maths=55)}


def test_a_subject_that_is_called_like_a_field_passes_an_export(teacher: TestClient) -> None:
    marks = {"Department": 1, "Surname": 2, "Roll": 3, "art": 4}
    assert teacher.post("/students", json={"roll_no": "S1", **student("A", "B"), "marks": marks}).status_code == 201

    export = teacher.get("/exports/students").content

    assert set(read_table(export.decode("utf-8-sig"))[0][3:]) == {
        "marks.Department",
        "marks.Surname",
        "marks.Roll",
        "art",
    }
    assert imported(teacher, export)["unchanged"] == 1


def test_all_problems_of_a_header_are_told_at_once(teacher: TestClient) -> None:
    answer = send(teacher, "a.b,roll_no,Roll No,Names,Surname,a1 [10.0],x,x\n")

    assert answer.status_code == 422
    for named in (
        '1, "a.b"',
        '2 "roll_no" and 3 "Roll No"',
        '"Names"',
        '"Surname"',
        '6, "a1 [10.0]"',
        '7 "x" and 8 "x"',
    ):
        assert named in answer.json()["detail"]


def test_problems_beyond_what_a_message_holds_are_counted() -> None:
    names = [f"a.{number}" for number in range(500)]

    with pytest.raises(InvalidFile, match=r"There are \d+ more problems\.$") as raised:
        assign(["roll_no", *names], OPTIONS)

    assert raised.value.detail
    assert len(raised.value.detail) <= 2_000
    assert raised.value.detail.count("cannot be a subject") + int(raised.value.detail.split()[-3]) == 500


@pytest.mark.parametrize(
    ("cells", "code", "column"),
    [
        (["S1", "A", "x", "5"], "unnamed_column", "column 3 (C)"),
        (["S1", "A", "", "5", "", "y"], "ragged", "column 6 (F)"),
        (["S1", *[""] * 700, "y"], "ragged", "column 702 (ZZ)"),
        (["S1", *[""] * 701, "y"], "ragged", "column 703 (AAA)"),
    ],
)
def test_content_without_a_column_is_told(cells: list[str], code: str, column: str) -> None:
    (error,) = COLUMNS.row(RawRow(2, cells), 1).errors

    assert (error.code, error.field, error.value) == (code, column, "x" if code == "unnamed_column" else "y")
    assert column in error.detail


@pytest.mark.parametrize("cells", [["S1", "A"], ["S1", "A", "", "", "", " "]])
def test_cells_missing_at_the_end_are_blank_and_blank_ones_dropped(cells: list[str]) -> None:
    row = COLUMNS.row(RawRow(2, cells), 1)

    assert (row.content, row.blanks, row.errors) == ({"roll_no": "S1", "name": "A", "marks": {}}, ["math"], [])
    assert row.cells == cells[:4]
