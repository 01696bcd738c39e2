"""Exports as XLSX and as CSV files of other locales."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from python_calamine import CalamineWorkbook

from modules.transfers.downloads import table, workbook, xlsx_file
from modules.transfers.downloads.table import Cell, Column, Table, WrongCell, one_portion
from modules.transfers.downloads.xlsx_file import as_xlsx
from tests.terminal import Terminal
from tests.transfers.helpers import JSON, NDJSON, add, counts, imported, lines, read_table, send
from tests.transfers.helpers import table as csv_of

EXPORT = "/exports/students"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

SOME: list[JSON] = [
    {"roll_no": "007", "name": "Zoë Łuk", "branch": "Physics", "marks": {"art": 64.5, "math": 91}},
    {"roll_no": "1E5", "name": "Bo; Rao, the 2nd", "branch": "+Art", "marks": {"math": 0}},
    {"roll_no": "S3", "name": "=1+1", "branch": "@x", "marks": {"-music": 7.25}},
    {"roll_no": "S4", "name": "'=1+1", "branch": "'quoted", "marks": {}},
]


@pytest.fixture
def school(teacher: TestClient) -> TestClient:
    imported(teacher, lines(SOME), NDJSON)
    return teacher


def rows_of(content: bytes) -> list[list[Any]]:
    """Return the cells of an XLSX file with one sheet."""
    with CalamineWorkbook.from_filelike(BytesIO(content)) as book:
        (name,) = book.sheet_names
        return book.get_sheet_by_name(name).to_python(skip_empty_area=False)


def xml_of(content: bytes, part: str = SHEET) -> ET.Element:
    with zipfile.ZipFile(BytesIO(content)) as file:
        return ET.fromstring(file.read(part))


def saved_as_csv(content: bytes) -> str:
    """Return the cells of an XLSX file as a CSV file, as a spreadsheet saves it."""
    return csv_of([[f"{cell:g}" if isinstance(cell, float) else cell for cell in row] for row in rows_of(content)])


def test_texts_are_text_and_marks_are_numbers(school: TestClient) -> None:
    answer = school.get(f"{EXPORT}?format=xlsx")

    assert answer.headers["Content-Type"] == XLSX
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    assert rows_of(answer.content) == [
        ["roll_no", "name", "branch", "-music", "art", "math"],
        ["007", "Zoë Łuk", "Physics", "", 64.5, 91],
        ["1E5", "Bo; Rao, the 2nd", "+Art", "", "", 0],
        ["S3", "=1+1", "@x", 7.25, "", ""],
        ["S4", "''=1+1", "'quoted", "", "", ""],
    ]


def test_a_workbook_has_no_formula_no_link_and_no_author(teacher: TestClient) -> None:
    add(teacher, "S1", "=HYPERLINK(1)", "http://example.com", math=1)

    content = teacher.get(f"{EXPORT}?format=xlsx").content

    assert [element.tag for element in xml_of(content).iter() if element.tag in (f"{MAIN}f", f"{MAIN}hyperlink")] == []
    with zipfile.ZipFile(BytesIO(content)) as file:
        parts = file.namelist()
        properties = file.read("docProps/core.xml").decode() + file.read("docProps/app.xml").decode()
    assert not [part for part in parts if any(word in part for word in ("vba", "external", "worksheets/_rels"))]
    assert "alice" not in properties
    assert "<dc:creator></dc:creator>" in properties


def test_the_header_is_bold_and_stays_in_view(school: TestClient) -> None:
    content = school.get(f"{EXPORT}?format=xlsx").content

    pane = xml_of(content).find(f".//{MAIN}pane")
    assert pane is not None
    assert (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")
    first = xml_of(content).find(f".//{MAIN}c")
    assert first is not None
    styles = xml_of(content, "xl/styles.xml")
    font = styles.findall(f"{MAIN}cellXfs/{MAIN}xf")[int(first.get("s", "0"))].get("fontId")
    assert styles.findall(f"{MAIN}fonts/{MAIN}font")[int(font or 0)].find(f"{MAIN}b") is not None


def test_a_roll_number_typed_into_the_sheet_stays_text(school: TestClient) -> None:
    content = school.get(f"{EXPORT}?format=xlsx").content

    column = xml_of(content).find(f"{MAIN}cols/{MAIN}col")
    assert column is not None
    styles = xml_of(content, "xl/styles.xml").findall(f"{MAIN}cellXfs/{MAIN}xf")
    assert styles[int(column.get("style", "0"))].get("numFmtId") == "49"  # the built-in format `@`
    assert float(column.get("width", "0")) > 10


@pytest.mark.parametrize("blank", ["keep", "remove"])
def test_the_cells_of_a_workbook_change_nothing_when_they_are_imported(school: TestClient, blank: str) -> None:
    content = saved_as_csv(school.get(f"{EXPORT}?format=xlsx").content)

    assert counts(imported(school, content, blank=blank)) == (4, 0, 0, 4, 0)


@pytest.mark.parametrize(
    ("separator", "decimal", "line"),
    [
        (",", ".", "007,Zoë Łuk,Physics,,64.5,91\r\n"),
        (";", ",", "007;Zoë Łuk;Physics;;64,5;91\r\n"),
        (";", ".", "007;Zoë Łuk;Physics;;64.5;91\r\n"),
        ("tab", ",", "007\tZoë Łuk\tPhysics\t\t64,5\t91\r\n"),
    ],
)
def test_a_csv_file_of_another_locale_can_be_imported_unchanged(
    school: TestClient, separator: str, decimal: str, line: str
) -> None:
    answer = school.get(EXPORT, params={"format": "csv", "separator": separator, "decimal": decimal})

    assert line in answer.content.decode()
    assert counts(imported(school, answer.content)) == (4, 0, 0, 4, 0)


def test_a_decimal_comma_between_commas_is_quoted(school: TestClient) -> None:
    answer = school.get(f"{EXPORT}?decimal=,")

    assert '007,Zoë Łuk,Physics,,"64,5",91\r\n' in answer.content.decode()


@pytest.mark.parametrize(
    ("accept", "format_", "media"),
    [
        (XLSX, None, XLSX),
        (XLSX, "csv", "text/csv; charset=utf-8"),
        ("text/csv", "xlsx", XLSX),
        ("text/html, */*", None, "text/csv; charset=utf-8"),
    ],
)
def test_the_client_chooses_a_workbook(teacher: TestClient, accept: str, format_: str | None, media: str) -> None:
    answer = teacher.get(EXPORT, params={"format": format_} if format_ else {}, headers={"Accept": accept})

    assert answer.headers["Content-Type"] == media


@pytest.mark.parametrize(("limit", "most", "unit"), [("MAX_ROWS", 4, "rows"), ("MAX_COLUMNS", 5, "columns")])
def test_more_than_a_workbook_can_hold_is_refused_before_the_file_begins(
    school: TestClient, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, unit: str
) -> None:
    monkeypatch.setattr(xlsx_file, limit, most)

    refused, allowed = school.get(f"{EXPORT}?format=xlsx"), school.get(f"{EXPORT}?format=xlsx&branch=Physics")

    assert refused.status_code == 422
    assert [error["parameter"] for error in refused.json()["errors"]] == ["format"]
    assert f"{most + 1} {unit}" in refused.json()["errors"][0]["detail"]
    assert allowed.status_code == school.get(EXPORT).status_code == 200


def test_a_full_disk_is_told_before_the_file_begins(school: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MIN_FREE_BYTES", 2**62)

    refused = school.get(f"{EXPORT}?format=xlsx")

    assert (refused.status_code, "disk" in refused.json()["detail"]) == (503, True)
    assert school.get(EXPORT).status_code == 200


class Records:
    """Records that count how many were read, and fail after some."""

    def __init__(self, number: int, fails: bool = False) -> None:
        self.read = 0
        self.number = number
        self.fails = fails

    async def __aiter__(self) -> Any:
        for number in range(self.number):
            self.read += 1
            yield [[f"S{number}", number]]
        if self.fails:
            raise ZeroDivisionError


COLUMNS = (Column("roll_no"), Column("math"))


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


@pytest.mark.anyio
async def test_nothing_is_left_of_a_workbook(scratch: Path) -> None:
    pieces = as_xlsx(Table("students", COLUMNS, Records(3).__aiter__(), list[Cell]))

    assert await anext(pieces) == b""
    assert left_in(scratch)
    content = b"".join([piece async for piece in pieces])

    assert rows_of(content)[1:] == [["S0", 0], ["S1", 1], ["S2", 2]]
    assert left_in(scratch) == []


@pytest.mark.anyio
@pytest.mark.parametrize("fails", [True, False], ids=["an error", "a client that leaves"])
async def test_nothing_is_left_of_a_workbook_that_is_not_finished(scratch: Path, fails: bool) -> None:
    records = Records(3, fails)
    pieces = as_xlsx(Table("students", COLUMNS, records.__aiter__(), list[Cell]))

    if fails:
        with pytest.raises(ZeroDivisionError):
            assert [piece async for piece in pieces] == []
    else:
        assert await anext(pieces) == b""
        await pieces.aclose()  # type: ignore[attr-defined]

    assert records.read == (3 if fails else 1)
    assert left_in(scratch) == []


async def made(*rows: list[Cell]) -> bytes:
    return b"".join([piece async for piece in as_xlsx(Table("errors", COLUMNS, one_portion(rows), list[Cell]))])


@pytest.mark.anyio
async def test_a_text_that_is_too_long_for_a_cell_is_marked() -> None:
    limit = workbook.MAX_CHARACTERS

    content = await made(
        ["\U0001f600" * (limit // 2 + 1), WrongCell("", "!")], ["x" * (limit + 1), 2], ["x" * limit, 3]
    )

    assert rows_of(content)[1:] == [["", ""], ["", 2], ["x" * limit, 3]]
    comments = xml_of(content, "xl/comments1.xml")
    assert [one.get("ref") for one in comments.iter(f"{MAIN}comment")] == ["A2", "B2", "A3"]
    assert "32,767 characters" in "".join(comments.itertext())


@pytest.mark.anyio
async def test_what_xml_cannot_hold_is_read_back() -> None:
    texts: list[Cell] = ["a\tb\nc", "<&>\"'_x000D_"]

    assert rows_of(await made(texts))[1:] == [texts]


BAD = (
    "roll_no,name,branch,math,art,import_error\n"
    "S1,=Asha,Physics,950,007,old\n"
    "S2,,Physics,72.5,12,old\n"
    "S3,Bo,Physics,1,2,3,4\n"
)


def errors_of(client: TestClient, content: str) -> bytes:
    import_id = send(client, content).json()["id"]
    answer = client.get(f"/imports/{import_id}/errors.xlsx")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="errors.xlsx"'
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, XLSX)
    return answer.content


def test_wrong_cells_are_marked(teacher: TestClient) -> None:
    content = errors_of(teacher, BAD)

    header, first, second, third = rows_of(content)
    assert header == ["roll_no", "name", "branch", "math", "art", "import_error", ""]
    assert first[:5] == ["S1", "=Asha", "Physics", "950", "007"]
    assert second[:5] == ["S2", "", "Physics", 72.5, 12]
    assert [*third[:5], third[6]] == ["S3", "Bo", "Physics", 1, 2, "4"]
    assert "math: A mark lies between 0 and 100." in first[5]
    comments = xml_of(content, "xl/comments1.xml")
    texts = {one.get("ref"): "".join(one.itertext()) for one in comments.iter(f"{MAIN}comment")}
    assert texts == {"D2": "A mark lies between 0 and 100.", "B3": "This is required for a new student."}
    styles = {cell.get("r"): cell.get("s") for cell in xml_of(content).iter(f"{MAIN}c")}
    assert styles["D2"] == styles["B3"] != styles["D3"]


def test_corrected_rows_can_be_imported(teacher: TestClient) -> None:
    rows = read_table(saved_as_csv(errors_of(teacher, BAD)))
    rows[1][3], rows[2][1] = "95", "Zoë"
    corrected = csv_of([row[:6] for row in rows])

    report = imported(teacher, corrected)

    assert counts(report) == (3, 3, 0, 0, 0)
    assert teacher.get("/students/S1").json()["marks"] == {"math": 95, "art": 7}


def test_a_number_with_a_decimal_comma_is_a_number_of_the_sheet(teacher: TestClient) -> None:
    content = errors_of(teacher, "roll_no;name;branch;math\nS1;;Physics;72,5\n")

    assert rows_of(content)[1][:4] == ["S1", "", "Physics", 72.5]


def test_the_number_of_rows_that_are_not_stored_is_told(teacher: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modules.transfers.imports.failed_rows.MAX_STORED", 1)

    rows = rows_of(errors_of(teacher, BAD))

    assert [len(rows), rows[2][5]] == [3, "2 more rows failed and are not listed here."]


@pytest.mark.process
def test_a_terminal_exports_by_the_suffix_and_in_a_style(terminal: Terminal, school: TestClient) -> None:
    book = terminal("export", "all.xlsx")
    styled = terminal("export", "all.csv", "--separator", "tab", "--decimal", ",")

    assert (book.returncode, styled.returncode) == (0, 0), book.stderr + styled.stderr
    assert rows_of((terminal.folder / "all.xlsx").read_bytes()) == rows_of(school.get(f"{EXPORT}?format=xlsx").content)
    expected = school.get(EXPORT, params={"separator": "tab", "decimal": ","}).content
    assert (terminal.folder / "all.csv").read_bytes() == expected


def test_rows_are_formatted_in_portions(school: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = school.get(EXPORT).content
    sheet = rows_of(school.get(f"{EXPORT}?format=xlsx").content)
    monkeypatch.setattr(table, "MAX_CELLS", 1)

    assert school.get(EXPORT).content == whole
    assert rows_of(school.get(f"{EXPORT}?format=xlsx").content) == sheet
