"""Cells that a spreadsheet would evaluate: escaped in all downloads, and unchanged when imported again."""

import csv
from io import StringIO

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.students.subject_catalog.spelling import spelling_key
from modules.transfers.files.formula_escaping import content_of, escape, escape_as_read, unescape
from tests.transfers.helpers import JSON, NDJSON, counts, imported, lines, read_table, send, students, table

CASES = {
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t'=1",
    "\tx": "'\tx",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "\uff1d1+1": "'\uff1d1+1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff20x": "'\uff20x",
    "\ufe661": "'\ufe661",
    "\u22121": "'\u22121",
    "  =1": "'  =1",
    "\u00a0=1": "'\u00a0=1",
    "\u3000=1": "'\u3000=1",
    "\u200b=1": "'\u200b=1",
    "\ufeff=1": "'\ufeff=1",
    '"=1': "'\"=1",
    ' " =1': "' \" =1",
    "'=1": "''=1",
    "''=1": "'''=1",
    "Asha;=1+1;x": "Asha;'=1+1;x",
    "Asha,=1+1": "Asha,'=1+1",
    "Asha\t=1+1": "Asha\t'=1+1",
    "Asha|=1": "Asha|'=1",
    'Asha;"=1': "Asha;'\"=1",
    "Asha; \uff1d1": "Asha;' \uff1d1",
    "Asha\r\n=1": "Asha\r\n'=1",
    "Asha;'=1": "Asha;''=1",
    "x=1": "x=1",
    "O'Neil": "O'Neil",
    "'x": "'x",
    "Rao-Luk": "Rao-Luk",
    "Chemistry, applied": "Chemistry, applied",
    "a - b": "a - b",
    "": "",
}


@pytest.mark.parametrize(("text", "cell"), CASES.items())
def test_a_formula_is_escaped_and_unescaped(text: str, cell: str) -> None:
    assert escape(text) == cell
    assert unescape(cell) == text


TEXTS = st.text("=+-@\uff1d\uff20'\" ;,|\t\r\n\u200bab1", max_size=12)
STARTS = set("=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212\t\r\n")


def evaluated_parts(cell: str) -> list[str]:
    """Return the parts of a cell that a program would evaluate, for every possible separator."""
    parts = [part for separator in ",;|\t\r\n" for part in cell.split(separator)]
    return [part for part in parts if part.lstrip(' "\u200b')[:1] in STARTS - {"\t", "\r", "\n"} and part.lstrip()]


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(text=TEXTS)
def test_escaped_text_is_not_evaluated_and_unescapes_to_the_same(text: str) -> None:
    assert evaluated_parts(escape(text)) == []
    assert unescape(escape(text)) == text


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(cell=TEXTS, is_mark=st.booleans())
def test_an_escaped_cell_of_a_file_has_the_same_content(cell: str, is_mark: bool) -> None:
    assert content_of(escape_as_read(cell, is_mark=is_mark)) == content_of(cell)


@pytest.mark.parametrize("number", ["-5", "+5", "-5.25", "-5,25", "5"])
def test_the_number_of_a_mark_stays_a_number(number: str) -> None:
    assert escape_as_read(number, is_mark=True) == number
    assert escape_as_read("-1+1", is_mark=True) == "'-1+1"


# Names must be one line without surrounding spaces.
NAMES = [text for text in CASES if text.strip() == text and text.isprintable() and text]


def test_an_export_and_an_import_leave_names_and_subjects_unchanged(teacher: TestClient) -> None:
    subjects = dict.fromkeys({spelling_key(name): name for name in NAMES if "." not in name}.values(), 5)
    rows: list[JSON] = [{"roll_no": f"S{n}", "name": name, "branch": name, "marks": {}} for n, name in enumerate(NAMES)]
    rows[0]["marks"] = subjects
    imported(teacher, lines(rows), NDJSON)
    before = students(teacher)

    content = teacher.get("/exports/students").content
    report = imported(teacher, content)

    assert [cell for row in read_table(content.decode("utf-8-sig")) for cell in row if evaluated_parts(cell)] == []
    assert counts(report) == (len(NAMES), 0, 0, len(NAMES), 0)
    assert students(teacher) == before


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_failed_rows_are_escaped_and_can_be_corrected(teacher: TestClient, separator: str) -> None:
    header = ["roll_no", "name", "branch", "math", "\uff1dart"]
    rows = [[f"S{n}", name, f"  {name}", "-950", 7] for n, name in enumerate(NAMES)]
    ragged = [['=HYPERLINK("http://x")', "\uff0b1"]]
    rejected = send(teacher, table([header, *rows, *ragged], separator), columns="#4:marks,#5:marks").json()
    assert (rejected["failed"], rejected["rows"]) == (len(rows) + 1, len(rows) + 1)

    failed = teacher.get(f"/imports/{rejected['id']}/errors.csv").content.decode("utf-8-sig")
    read = list(csv.reader(StringIO(failed), delimiter=separator))
    shown = {row[3] for row in read[1:-1]}
    mended = table([read[0], *([*row[:3], "9", *row[4:]] for row in read[1:-1])], separator)
    report = imported(teacher, mended, columns="#4:marks,#5:marks")

    assert shown == {"-950"}
    assert [cell for row in read for cell in row if evaluated_parts(cell) and cell != "-950"] == []
    assert report["created"] == len(NAMES)
    marks_of_all = {"math": 9, "\uff1dart": 7}
    names = {f"S{n}": content_of(name) for n, name in enumerate(NAMES)}
    expected = {key: {"name": name, "branch": name, "marks": marks_of_all} for key, name in names.items()}
    assert students(teacher) == expected


def test_failed_lines_of_json_are_escaped(teacher: TestClient) -> None:
    rejected = send(teacher, "=1+1\n\uff1d1+1\n", NDJSON).json()

    failed = teacher.get(f"/imports/{rejected['id']}/errors.csv").content.decode("utf-8-sig")

    assert [row[0] for row in read_table(failed)] == ["row", "'=1+1", "'\uff1d1+1"]
