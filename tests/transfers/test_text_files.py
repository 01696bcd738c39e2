"""Files as people's programs save them: encodings, title lines, blank rows and columns, and what a spreadsheet does."""

import csv
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from modules.transfers.columns.assignment import is_roll_no
from modules.transfers.files.csv_reader import Layout, read_csv, read_layout
from modules.transfers.files.table import InvalidFile
from modules.transfers.files.text import ENCODINGS, open_text
from modules.transfers.options import ColumnOptions
from tests.transfers.helpers import JSON, NDJSON, counts, imported, lines, send, student, students, table

HEADER = "roll_no,name,branch,math\n"
TEXT = HEADER + "E1,José Ñuñez,CSE,5\nE2,Zoë Groß,CSE,6\n"
CLASS = {"E1": student("José Ñuñez", "CSE", math=5), "E2": student("Zoë Groß", "CSE", math=6)}

ENCODED = {
    "utf-8": TEXT.encode(),
    "utf-8 with BOM": TEXT.encode("utf-8-sig"),
    "utf-16": TEXT.encode("utf-16"),
    "utf-16 big-endian": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-16 with tabs": TEXT.replace(",", "\t").encode("utf-16"),
    "windows-1252": TEXT.encode("cp1252"),
}


def layout_of(folder: Path, content: str | bytes, encoding: str | None = None) -> Layout:
    path = folder / "class.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_layout(path, partial(is_roll_no, options=ColumnOptions()), encoding)


@pytest.mark.parametrize(("name", "content"), ENCODED.items(), ids=ENCODED.keys())
def test_a_file_is_read_in_its_encoding(teacher: TestClient, tmp_path: Path, name: str, content: bytes) -> None:
    imported(teacher, content)

    assert students(teacher) == CLASS
    assert layout_of(tmp_path, content).encoding == name.split(maxsplit=1)[0]


def test_a_letter_far_behind_decides_about_the_whole_file(teacher: TestClient) -> None:
    text = HEADER + "".join(f"S{number},{'A' * 190},B,{number % 90}\n" for number in range(1_200)) + "X,Zoë,P,1\n"

    report = imported(teacher, text.encode("cp1252"), on_error="skip")

    assert report["created"] == 1_201
    assert students(teacher)["X"]["name"] == "Zoë"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_can_be_named(tmp_path: Path, encoding: str) -> None:
    name = "Groß" if encoding != "windows-1251" else "Анна"
    content = f"roll_no,name\nS1,{name}\n".encode(ENCODINGS[encoding])

    layout = layout_of(tmp_path, content, encoding)

    with open_text(tmp_path / "class.csv", layout.encoding) as file:
        assert [row.cells for row in read_csv(file, layout) if row] == [["S1", name]]


def test_a_named_encoding_settles_a_file_of_two(tmp_path: Path) -> None:
    content = "roll_no,name\nS1,Zoë\n".encode() + "S2,Zoë\n".encode("cp1252")

    with pytest.raises(InvalidFile, match="encoding=windows-1252"):
        layout_of(tmp_path, content)
    assert layout_of(tmp_path, content, "windows-1252").header_line == 1


@pytest.mark.parametrize(
    ("text", "separator", "line"),
    [
        (f"Class 10 B - marks of the autumn term,,,\n,,,\n{HEADER}", ",", 3),
        (f'"Marks of; the\nautumn; term"\n\n{HEADER}', ",", 4),
        ("Class; 10, B, autumn, 2025\n" + HEADER.replace(",", ";"), ";", 2),
        (f"{HEADER}1,S1,roll_no,A\n", ",", 1),
        ("sep=;\n" + HEADER.replace(",", ";"), ";", 2),
        ("SEP=|\r\nTitle, of, a, file\n" + HEADER.replace(",", "|"), "|", 3),
        ('"sep=,",,\n' + HEADER, ",", 2),
        ("sep=;\n" + HEADER, ",", 2),
        ("sep=;\na,b,c;d\n", ";", 2),
        ("sep=\t\n" + HEADER.replace(",", "\t"), "\t", 2),
        ("\n\n  \nx,y,z\n1,2,3\n", ",", 4),
        ("x,y\n" * 19 + HEADER, ",", 20),
        ("x,y\n" * 20 + HEADER, ",", 1),
    ],
)
def test_the_header_and_the_separator_are_found(tmp_path: Path, text: str, separator: str, line: int) -> None:
    layout = layout_of(tmp_path, text)

    assert (layout.separator, layout.header_line) == (separator, line)
    assert len(layout.header) == (4 if "roll_no" in layout.header else text.splitlines()[line - 1].count(separator) + 1)


def test_the_line_of_an_error_is_that_of_the_file(teacher: TestClient) -> None:
    errors = send(teacher, f'"Marks\nof the term"\n\n{HEADER}T1,Ana,CSE,5\n,,,\nT2,Bo,CSE,950\n').json()["errors"]

    assert [(error["row"], error["line"], error["field"]) for error in errors] == [(2, 7, "math")]


READABLE = {
    "rows that end early": ("E1,Ana,CSE,5\nE2,Bo,CSE\n", {"E1": {"math": 5}, "E2": {}}),
    "surplus blank cells": ("E1,Ana,CSE,5,, \nE2,Bo,CSE,6,\u00a0\n", {"E1": {"math": 5}, "E2": {"math": 6}}),
    "rows of separators": (
        ",,,\nE1,Ana,CSE,5\n,,,,,\n \u200b,,\nE2,Bo,CSE,6\n\n",
        {"E1": {"math": 5}, "E2": {"math": 6}},
    ),
    "no-break spaces": (
        "E1,\u00a0Ana,CSE\u3000,\u00a05\nE2,\u2009Bo\u202f,CSE,6\n",
        {"E1": {"math": 5}, "E2": {"math": 6}},
    ),
    "a no-break space before a quote": (
        'E1,\u00a0"Ana",CSE,5\nE2,Bo,"CSE"\u00a0,6\n',
        {"E1": {"math": 5}, "E2": {"math": 6}},
    ),
    "direction marks": (
        "\u200eE1,\u202aAna\u202c,CSE,5\u200f\n\ufeffE2,Bo\u200b,CSE,6\n",
        {"E1": {"math": 5}, "E2": {"math": 6}},
    ),
}


@pytest.mark.parametrize(("rows", "marks"), READABLE.values(), ids=READABLE.keys())
def test_blanks_that_nobody_sees_change_nothing(
    teacher: TestClient, rows: str, marks: dict[str, dict[str, float]]
) -> None:
    report = imported(teacher, HEADER + rows)

    assert counts(report) == (2, 2, 0, 0, 0)
    assert students(teacher) == {
        "E1": student("Ana", "CSE", **marks["E1"]),
        "E2": student("Bo", "CSE", **marks["E2"]),
    }


def test_trailing_columns_without_name_and_content_are_nothing(teacher: TestClient) -> None:
    imported(teacher, "roll_no,name,branch,,math,,\nS1,Asha Rao,Physics,,91,,\nS2,Bo Li,Physics,,80,,\n")

    assert students(teacher) == {
        "S1": student("Asha Rao", "Physics", math=91),
        "S2": student("Bo Li", "Physics", math=80),
    }


def test_columns_without_name_are_named_if_they_have_content(teacher: TestClient) -> None:
    errors = send(teacher, "roll_no,name,branch,,math,,\nS1,Asha,Physics,x,91,,\nS2,Bo,Physics,,80,,7\n").json()[
        "errors"
    ]

    assert [(one["line"], one["field"], one["value"], one["code"]) for one in errors] == [
        (2, "column 4 (D)", "x", "unnamed_column"),
        (3, "column 7 (G)", "7", "ragged"),
    ]


def test_spaces_and_marks_are_plain_in_other_bodies_too(teacher: TestClient) -> None:
    body = {
        "roll_no": "\ufeffS1\u00a0",
        "name": "\u200eAna\u00a0Lim\u200f",
        "branch": "C\u3000S",
        "marks": {"\u200bart\u2009a": 5},
    }
    assert teacher.post("/students", json=body).status_code == 201

    report = imported(teacher, lines([body]), NDJSON)

    assert students(teacher) == {"S1": student("Ana Lim", "C S", **{"art a": 5})}
    assert report["unchanged"] == 1


def test_what_a_list_gives_is_imported(teacher: TestClient) -> None:
    imported(teacher, TEXT)
    rows: list[JSON] = teacher.get("/students?fields=roll_no,name,branch,marks,created_at,updated_at,etag").json()
    assert {"created_at", "updated_at", "etag"} <= set(rows[0])

    report = imported(teacher, lines([row | {"branch": "New"} for row in rows]), NDJSON)

    assert counts(report) == (2, 0, 2, 0, 0)


@pytest.mark.parametrize("cell", ['="0044"', '"=""0044"""', "0044"])
def test_a_formula_that_keeps_zeros_is_their_text(teacher: TestClient, cell: str) -> None:
    imported(teacher, f"{HEADER}{cell},Ana,CSE,5\n")

    assert list(students(teacher)) == ["0044"]


def test_a_text_that_looks_like_such_a_formula_passes_an_export(teacher: TestClient) -> None:
    assert teacher.post("/students", json={"roll_no": "S1", **student('="0044"', "B")}).status_code == 201

    assert imported(teacher, teacher.get("/exports/students").content)["unchanged"] == 1


@pytest.mark.parametrize(("text", "separator"), [("2.02E+11", ","), ("2,02E+11", ";")])
def test_a_shortened_roll_number_is_refused_without_advice_for_another(
    teacher: TestClient, text: str, separator: str
) -> None:
    content = HEADER.replace(",", separator) + separator.join([text, "Asha Rao", "Physics", "91\n"])

    (error,) = send(teacher, content).json()["errors"]

    assert (error["field"], error["value"], error["code"]) == ("roll_no", text, "code_shortened")
    assert "spreadsheet" in error["detail"]
    assert "'-'" not in error["detail"]


@pytest.mark.parametrize(
    ("before", "separator", "encoding"),
    [
        ("", ",", "utf-8"),
        ("Marks of the autumn term\n\n", ",", "cp1252"),
        ("sep=;\n", ";", "cp1252"),
        ("sep=|\nMarks, of, the, term\n", "|", "utf-8"),
        ("", "\t", "utf-16"),
    ],
)
def test_failed_rows_of_any_length_can_be_mended_and_sent_again(
    teacher: TestClient, before: str, separator: str, encoding: str
) -> None:
    header = ["Roll No", "", "name", "branch", "math"]
    rows = [
        ["E1", "", "Zoë"],
        ["E2", "", "Ana", "CSE", "5", "6", "7"],
        ["E3", "", "Bo", "CSE", "950"],
        ["E4", "x", "Cy"],
    ]
    text = before + "".join(separator.join(row) + "\n" for row in [header, *rows])
    report = send(teacher, text.encode(encoding)).json()
    assert report["failed"] == 4

    content = teacher.get(f"/imports/{report['id']}/errors.csv").content
    failed = list(csv.reader(StringIO(content.decode("utf-8-sig")), delimiter=separator))
    again = send(teacher, content).json()

    assert content.startswith(b"\xef\xbb\xbfRoll No")
    assert failed[0] == [*header, "import_error"]
    assert [row[:5] for row in failed[1:]] == [(row + [""] * 5)[:5] for row in rows]
    assert [row[6:] for row in failed[1:]] == [[], ["6", "7"], [], []]
    assert all(row[5] for row in failed[1:])
    assert [error["code"] for error in again["errors"]] == [error["code"] for error in report["errors"]]
    mended = [failed[0], *([row[0], "", row[2], "CSE", "5", row[5]] for row in failed[1:])]
    assert counts(imported(teacher, table(mended, separator))) == (4, 4, 0, 0, 0)
    assert students(teacher)["E1"] == student("Zoë", "CSE", math=5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("<html><body><table><tr><td>roll_no</td></tr></table></body></html>", "a web page or XML"),
        ('\n<?xml version="1.0"?>\n<Workbook/>', "a web page or XML"),
        ('[{"roll_no":"S1"}]', "This is JSON"),
        ('[\n{"roll_no":"S1"}]', "This is JSON"),
        ('{"roll_no":"S1","name":"A"}', "This is JSON"),
        ('"roll_no,name,branch,math"\n"S1,Asha,CS,5"\n', 'only one column, "roll_no,name,branch,math"'),
        ("roll_no name branch\nS1 Asha CS\n", "only one column"),
    ],
)
def test_a_file_of_another_kind_is_told(teacher: TestClient, text: str, named: str) -> None:
    answer = send(teacher, text)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-file")
    assert named in answer.json()["detail"]
