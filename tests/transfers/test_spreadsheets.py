"""Workbooks: what is read of their sheets and cells, and that they are imported like the same table as CSV."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from pymongo.database import Database

from modules.transfers.files import spreadsheet
from modules.transfers.files.spreadsheet import Workbook
from modules.transfers.files.spreadsheet_process.cell_text import percentage_of, text_of
from modules.transfers.files.table import InvalidFile
from modules.transfers.models import Import
from modules.transfers.options import Options
from tests.transfers.helpers import CSV, JSON, NDJSON, counts, imported, read_table, send, student, students, table
from tests.transfers.test_erasure import interrupt
from tests.transfers.workbooks import (
    DATE,
    DECIMAL_PERCENT,
    DURATION,
    ODS,
    PERCENT,
    QUOTED_PERCENT,
    TIME,
    XLSX,
    Cell,
    Sheet,
    Value,
    Xml,
    error,
    errors_of,
    ods,
    ods_cell,
    workbook,
    xlsx,
)

HEADER: list[Value] = ["roll_no", "name", "branch", "math"]
CLASS: list[list[Value]] = [HEADER, ["S1", "Asha", "Physics", 91], ["S2", "Zoë, Łuk", 'The "Art"', 72.5]]
IN_CLASS = {"S1": student("Asha", "Physics", math=91), "S2": student("Zoë, Łuk", 'The "Art"', math=72.5)}

BOTH = pytest.mark.parametrize(("make", "media"), [(workbook, XLSX), (ods, ODS)], ids=["xlsx", "ods"])
Make = Callable[..., bytes]
Convert = Callable[..., tuple[Workbook, list[list[str]]]]


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def convert(portal: BlockingPortal, tmp_path: Path) -> Convert:
    """Converts a workbook to CSV: `convert(content, sheet)`."""
    source, target = tmp_path / "source", tmp_path / "target"

    def convert(content: bytes, sheet: str | None = None) -> tuple[Workbook, list[list[str]]]:
        source.write_bytes(content)
        found = portal.call(spreadsheet.convert, source, target, sheet)
        return found, read_table(target.read_text(encoding="utf-8"))

    return convert


def refusal(convert: Convert, content: bytes, sheet: str | None = None) -> str:
    """Return the sentence with which a workbook is refused."""
    with pytest.raises(InvalidFile) as raised:
        convert(content, sheet)
    assert raised.value.detail
    return raised.value.detail


@BOTH
def test_a_workbook_is_imported_like_the_same_table_as_csv(teacher: TestClient, make: Make, media: str) -> None:
    report = imported(teacher, make(*CLASS), media)

    assert (counts(report), report["sheet"], report["percent"]) == ((2, 2, 0, 0, 0), "Class", 100)
    assert students(teacher) == IN_CLASS
    again = imported(teacher, table(CLASS))
    assert (again["unchanged"], again["sheet"]) == (2, None)
    assert teacher.post(f"/imports/{report['id']}/undo").json()["restored"] == 2


def test_an_interrupted_import_of_a_workbook_is_resumed(teacher: TestClient, database: Database[JSON]) -> None:
    content = workbook(*CLASS)
    first = imported(teacher, content, XLSX)
    interrupt(database, first["id"], content)

    resumed = teacher.post(f"/imports/{first['id']}/resume")

    assert (resumed.status_code, resumed.json()["state"], counts(resumed.json())) == (200, "done", (2, 2, 0, 0, 0))


@BOTH
def test_the_content_tells_a_workbook_from_text(teacher: TestClient, make: Make, media: str) -> None:
    for claimed in (CSV, NDJSON, XLSX, ODS):
        assert imported(teacher, make(*CLASS), claimed)["rows"] == 2
    assert imported(teacher, table(CLASS), media)["unchanged"] == 2


@pytest.mark.parametrize("name", ["class.xlsx", "CLASS.XLSM", "class.ods", "class.csv", "class"])
def test_a_form_may_have_a_workbook(teacher: TestClient, name: str) -> None:
    content = ods(*CLASS) if name.endswith("ods") else workbook(*CLASS)

    answer = teacher.post("/imports", files={"file": (name, content, "application/octet-stream")})

    assert (answer.status_code, answer.json()["rows"]) == (201, 2)


@BOTH
def test_failed_rows_are_told_by_their_rows_in_the_sheet(teacher: TestClient, make: Make, media: str) -> None:
    rows: list[list[Value]] = [HEADER, ["S1", "Two\nlines", "Art", 1], [], [None] * 4, ["S2", "B", "Art", 950]]

    report = send(teacher, make(*rows), media).json()

    assert errors_of(report) == [(5, "math", "950", "mark_range")]
    failed = read_table(teacher.get(f"/imports/{report['id']}/errors.csv").text.removeprefix("\ufeff"))
    assert failed[0] == [*(str(name) for name in HEADER), "import_error"]
    assert failed[1][:4] == ["S2", "B", "Art", "950"]
    corrected = table([failed[0], [*failed[1][:3], "95", failed[1][4]]])
    assert counts(imported(teacher, corrected)) == (1, 1, 0, 0, 0)


def test_an_error_of_a_formula_is_an_error_of_its_cell(teacher: TestClient) -> None:
    rows: list[list[Value]] = [
        HEADER,
        ["S1", "Asha", "Art", error("#DIV/0!")],
        ["S2", error("#N/A"), error("#REF!"), 5],
        [error("#NAME?"), "B", "Art", 5],
        ["S4", error("#SPILL!"), "Art", error("#CALC!")],
    ]

    answer = send(teacher, workbook(*rows), XLSX)

    assert answer.status_code == 422
    assert errors_of(answer.json()) == [
        (2, "math", "#DIV/0!", "formula_error"),
        (3, "name", "#N/A", "formula_error"),
        (3, "branch", "#REF!", "formula_error"),
        (4, "roll_no", "#NAME?", "formula_error"),
        (5, "name", "#SPILL!", "formula_error"),
        (5, "math", "#CALC!", "formula_error"),
    ]
    assert all("formula error" in one["detail"] for one in answer.json()["errors"])


ERRORS = """#DIV/0! #N/A #NAME? #NULL! #NUM! #REF! #VALUE! #SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #BUSY! #UNKNOWN!
    #PYTHON! #GETTING_DATA #NV #N/D #WERT! #BEZUG! #ÜBERLAUF! #¡VALOR! #¿NOMBRE? #VALEUR_! #NOM_? #ЗНАЧ! Err:502
    Err_:502 Fehler:504"""


def test_an_error_of_a_formula_is_nobodys_name(teacher: TestClient) -> None:
    shown = [text.replace("_", "\u00a0") if text != "#GETTING_DATA" else text for text in ERRORS.split()]
    rows: list[list[Value]] = [[f"S{number}", text, "Art", 5 + number * 37 % 90] for number, text in enumerate(shown)]

    errors = errors_of(send(teacher, ods(HEADER, *rows), ODS).json())

    told = [(line, field, code) for line, field, _, code in errors]
    assert told == [(line, "name", "formula_error") for line, _ in enumerate(shown, 2)]


def test_a_name_may_look_a_little_like_an_error(teacher: TestClient) -> None:
    names = ["#1 Rao", "Asha!", "# Asha", "#Asha!", "Err", "Erika: 502", "E", "#"]
    rows: list[list[Value]] = [[f"S{number}", name, "Art", 5 + number * 37 % 90] for number, name in enumerate(names)]

    imported(teacher, ods(HEADER, *rows), ODS)

    assert [one["name"] for one in students(teacher).values()] == names


def test_what_a_narrow_column_hides_is_told(teacher: TestClient) -> None:
    header = ",".join(map(str, HEADER))

    answer = send(teacher, f"{header}\n####,A,Art,5\nS2,B,##########,###\n").json()

    assert {(one["line"], one["field"], one["code"]) for one in answer["errors"]} == {
        (2, "roll_no", "narrow_column"),
        (3, "branch", "narrow_column"),
        (3, "math", "narrow_column"),
    }


def test_a_formula_without_a_result_is_an_error_and_not_blank(teacher: TestClient) -> None:
    cells = ["<f>1+1</f><v></v>", "<f>1+1</f><v />", "<f>1+1</f>", '<f t="shared" si="0"/>', "<f></f>\n<v> </v>\n"]
    rows: list[list[Value]] = [[f"S{n}", "A", "Art", Xml(f'<c s="1">{cell}</c>')] for n, cell in enumerate(cells)]
    results = ['<c t="str"><f>IF(1,"")</f><v></v></c>', "<c><f>1+1</f><v>2</v></c>", '<c t="s"/>']
    good: list[list[Value]] = [[f"T{n}", "A", "Art", Xml(cell)] for n, cell in enumerate(results)]

    report = send(teacher, workbook(HEADER, *rows, *good), XLSX, None, columns="math:marks", on_error="skip").json()

    assert errors_of(report) == [(n, "math", "#NOT_CALCULATED!", "formula_error") for n in range(2, 7)]
    assert {roll_no: one["marks"] for roll_no, one in students(teacher).items()} == {
        "T0": {},
        "T1": {"math": 2},
        "T2": {},
    }


def test_every_error_is_found_wherever_a_piece_ends(convert: Convert) -> None:
    bad, blank = error("#SPILL!"), Xml('<c r="C1"><f>1+1</f></c>')
    rows: list[list[Value]] = [["x" * (number % 97), bad, "y", Xml("<c><f>1+1</f></c>")] for number in range(3_000)]

    _, found = convert(workbook([blank], *rows))

    assert found[0][2] == "#NOT_CALCULATED!"
    assert {tuple(row[1:]) for row in found[1:]} == {("#SPILL!", "y", "#NOT_CALCULATED!")}


def test_an_error_in_another_sheet_does_no_harm(teacher: TestClient) -> None:
    content = xlsx(Sheet("8B", CLASS), Sheet("Totals", [[error("#SPILL!")]]))

    assert imported(teacher, content, XLSX, sheet="8B")["rows"] == 2


def test_a_date_in_a_column_of_marks_is_an_error_of_its_cell(teacher: TestClient) -> None:
    rows: list[list[Value]] = [
        HEADER,
        ["S1", "Asha", "Art", Cell(46082, DATE)],
        ["S2", "B", "Art", Cell(0.85, PERCENT)],
    ]

    report = send(teacher, workbook(*rows), XLSX).json()

    assert [one[:3] for one in errors_of(report)] == [(2, "math", "2026-03-01"), (3, "math", "85%")]


def test_a_sheet_is_named_only_for_a_workbook(teacher: TestClient) -> None:
    answer = send(teacher, table(CLASS), sheet="Class")

    assert answer.status_code == 422
    assert "not a workbook" in answer.json()["detail"]


def test_a_sheet_is_chosen_by_a_parameter(teacher: TestClient) -> None:
    content = xlsx(Sheet("Notes", [["Dear all"]]), Sheet("8B", CLASS))

    assert imported(teacher, content, XLSX, sheet="8B")["sheet"] == "8B"
    assert '"Notes", "8B"' in send(teacher, content, XLSX).json()["detail"]
    assert send(teacher, content, XLSX, sheet="8B\0").status_code == 422


SHEETS = xlsx(
    Sheet("Hidden", [["h"]], "hidden"),
    Sheet("First", [["f"]]),
    Sheet("Empty", []),
    Sheet("Blank", [["", " "]]),
    Sheet("2", [["two"]]),
    Sheet("Secret", [["s"]], "veryHidden"),
)


@pytest.mark.parametrize(
    ("sheet", "cell"),
    [("First", "f"), (" first", "f"), ("1", "f"), ("2", "two"), ("4", "two"), ("Hidden", "h"), ("Secret", "s")],
)
def test_a_sheet_is_found_by_its_name_or_its_number(convert: Convert, sheet: str, cell: str) -> None:
    found, rows = convert(SHEETS, sheet)

    assert rows == [[cell]]
    assert found.sheets == ["First", "Empty", "Blank", "2"]


@pytest.mark.parametrize(
    ("sheet", "named"),
    [
        (None, '"First", "2".'),
        ("Third", '"First", "Empty", "Blank", "2"'),
        ("5", "no sheet"),
        ("0", "no sheet"),
        ("Empty", 'The sheet "Empty" is empty.'),
        ("Blank", 'The sheet "Blank" is empty.'),
    ],
)
def test_a_sheet_that_is_not_there_is_told_with_the_others(convert: Convert, sheet: str | None, named: str) -> None:
    assert named in refusal(convert, SHEETS, sheet)


def test_of_many_sheets_only_some_are_named(convert: Convert) -> None:
    detail = refusal(convert, xlsx(*(Sheet(f"Class {number}", [["x"]]) for number in range(30))))

    assert detail.count('"Class') == 20
    assert "and 10 more" in detail


def test_sheets_that_are_hidden_are_not_read_unless_they_are_named(convert: Convert) -> None:
    hidden = Sheet("Old", CLASS, "hidden")

    assert convert(xlsx(hidden, Sheet("New", [["n"]])))[1] == [["n"]]
    assert "hidden" in refusal(convert, xlsx(hidden, Sheet("Empty", [])))


XLSX_CELLS: list[tuple[Value, str]] = [
    ("0044", "0044"),
    (" a ", " a "),
    ("a\r\n b", "a b"),
    ("a\tb", "a b"),
    (1, "1"),
    (1.0, "1"),
    (0.1 + 0.2, "0.3"),
    (1e-7, "0.0000001"),
    (True, "TRUE"),
    (Cell(46082, DATE), "2026-03-01"),
    (Cell(46082.5, DATE), "2026-03-01T12:00:00"),
    (Cell(0.5, TIME), "12:00:00"),
    (Cell(1.5, DURATION), "PT36H00M00S"),
    (Cell(0.07, PERCENT), "7%"),
    (Cell(0.855, DECIMAL_PERCENT), "85.5%"),
    (Cell(85, QUOTED_PERCENT), "85"),
    (error("#DIV/0!"), "#DIV/0!"),
    (error("#SPILL!"), "#SPILL!"),
    ("t='e'<c t='e'>", "t='e'<c t='e'>"),
    (None, ""),
    ("last", "last"),
]
ODS_CELLS: list[tuple[Value, str]] = [
    ("0044", "0044"),
    (ods_cell("string", "a</text:p><text:p>b"), "a b"),
    (ods_cell("string", "a</text:p><text:p/><text:p>b<text:line-break/>c"), "a b c"),
    (ods_cell("string", "a<text:line-break></text:line-break>b"), "a b"),
    (ods_cell("string", "a<text:tab/>b"), "a b"),
    (ods_cell("string", 'a<text:s/>b<text:s text:c="2"/>c'), "a b  c"),
    (ods_cell("string", "a&lt;text:tab/>b"), "a<text:tab/>b"),
    (1, "1"),
    (0.1 + 0.2, "0.3"),
    (True, "TRUE"),
    (ods_cell("date", "1.3.26", 'office:date-value="2026-03-01"'), "2026-03-01"),
    (ods_cell("time", "12:00", 'office:time-value="PT12H00M00S"'), "12:00:00"),
    (ods_cell("time", "36:00", 'office:time-value="PT36H00M00S"'), "PT36H00M00S"),
    (ods_cell("percentage", "7 %", 'office:value="0.07"'), "7%"),
    (ods_cell("currency", "5 €", 'office:value="5"'), "5"),
    (ods_cell("string", "#DIV/0!", 'office:string-value="" calcext:value-type="error"'), "#DIV/0!"),
    (ods_cell("string", "#VALUE!", "office:string-value=''"), "#VALUE!"),
    (ods_cell("string", "", 'office:string-value=""'), ""),
    (None, ""),
    ("last", "last"),
]


@pytest.mark.parametrize(("make", "cells"), [(workbook, XLSX_CELLS), (ods, ODS_CELLS)], ids=["xlsx", "ods"])
def test_each_cell_has_the_text_that_csv_would_have(
    convert: Convert, make: Make, cells: Sequence[tuple[Value, str]]
) -> None:
    _, rows = convert(make([cell for cell, _ in cells]))

    assert rows == [[text for _, text in cells]]


def test_repeated_cells_of_an_ods_file_are_all_read(convert: Convert) -> None:
    percentages = ods_cell("percentage", "7 %", 'office:value="0.07" table:number-columns-repeated="2"')
    blank = Xml('<table:table-cell table:number-columns-repeated="2"/>')

    assert convert(ods([percentages, blank, percentages, 1]))[1] == [["7%", "7%", "", "", "7%", "7%", "1"]]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (85.0, "85"),
        (-0.0, "0"),
        (-72.5, "-72.5"),
        (1 / 3, "0.333333333333333"),
        (999_999_999_999_999.0, "999999999999999"),
        (1234567890123456789.0, "1.23456789012346E+18"),
        (False, "FALSE"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 12, 30), "2026-03-01T12:30:00"),  # noqa: DTZ001 (spreadsheets have no time zones)
        (time(12, 30), "12:30:00"),
        (timedelta(hours=36, seconds=5), "PT36H00M05S"),
        ("one\n\n two", "one two"),
        ("=1+1", "=1+1"),
    ],
)
def test_the_text_of_a_value(value: Any, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.07, "7%"), (1.0, "100%"), ("n/a", "n/a"), (True, "TRUE")])
def test_the_text_of_a_percentage(value: Any, text: str) -> None:
    assert percentage_of(value) == text


def test_line_n_is_row_n(convert: Convert) -> None:
    found, rows = convert(workbook([], [], [None, "roll_no", "b"], [], [None, "S1", None, " "], [], [None, " "]))

    assert rows == [["", "", ""], ["", "", ""], ["", "roll_no", "b"], ["", "", ""], ["", "S1", ""]]
    assert found.rows == 5


@BOTH
def test_rows_and_columns_are_named_as_in_the_sheet(teacher: TestClient, make: Make, media: str) -> None:
    left: list[Value] = [None, None]
    rows: list[list[Value]] = [[], [], [*left, *HEADER, None], [*left, "S1", "A", "Art", 950, "x"]]

    answer = send(teacher, make(*rows), media, None, columns="#6:marks.art").json()
    preview = teacher.post("/imports/preview", content=make(*rows), headers={"Content-Type": media}).json()

    assert answer["header_line"] == 3
    assert [one["number"] for one in answer["columns"] if one["subject"] == "art"] == [6]
    assert errors_of(answer) == [(4, "column 7 (G)", "x", "ragged")]
    assert [one["name"] for one in preview["columns"]] == ["", "", *HEADER]


@BOTH
def test_failed_rows_keep_the_places_of_their_columns(teacher: TestClient, make: Make, media: str) -> None:
    rows: list[list[Value]] = [[None, "Roll No", "", "name", "branch", "math"], [None, "S1", None, "A", "Art", 950]]
    rejected = send(teacher, make(*rows), media, None, columns="#6:marks.art").json()

    for file in ("errors.csv", "errors.xlsx"):
        failed = teacher.get(f"/imports/{rejected['id']}/{file}")
        again = send(teacher, failed.content, failed.headers["Content-Type"], None, columns="#6:marks.art").json()
        assert errors_of(again) == [(2, "art", "950", "mark_range")]


def test_rows_of_nothing_but_errors_are_read(convert: Convert) -> None:
    found, rows = convert(workbook(["a"], [], [error("#N/A")]))

    assert (rows, found.rows) == ([["a"], [""], ["#N/A"]], 3)


def test_repeated_rows_of_an_ods_file_keep_their_lines(convert: Convert) -> None:
    blank = Xml('<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>')
    bad = ods_cell("string", "#N/A", 'calcext:value-type="error"')
    repeated = Xml(f'<table:table-row table:number-rows-repeated="2">{bad}{ods_cell("string", "x")}</table:table-row>')

    _, rows = convert(ods(blank, ["a", "b"], repeated, ["c", "d"]))

    assert rows == [["", ""]] * 3 + [["a", "b"], ["#N/A", "x"], ["#N/A", "x"], ["c", "d"]]


def test_cells_without_references_follow_each_other(convert: Convert) -> None:
    row = Xml('<row r="2"><c r="B2" t="e"><v>#N/A</v></c><c t="e"><v>#REF!</v></c><c r="AB2"><v>5</v></c></row>')

    _, rows = convert(workbook(Xml('<row><c r="A1"><v>1</v></c></row>'), row))

    assert [(index, cell) for index, cell in enumerate(rows[1]) if cell] == [(1, "#N/A"), (2, "#REF!"), (27, "5")]


@BOTH
def test_details_are_found_beyond_the_first_piece(convert: Convert, make: Make, media: str) -> None:
    bad = error("#N/A") if media == XLSX else ods_cell("string", "#N/A", 'calcext:value-type="error"')
    rows: list[list[Value]] = [["x" * 50, number, bad if number % 2_000 == 0 else "y"] for number in range(1, 6_001)]

    _, found = convert(make(*rows))

    assert [index + 1 for index, row in enumerate(found) if row[2] == "#N/A"] == [2_000, 4_000, 6_000]


def test_merged_cells_are_refused_with_their_ranges(teacher: TestClient) -> None:
    content = workbook(*CLASS, merged=["B2:B3", "C2:D2", "AA30:AB31"])

    detail = send(teacher, content, XLSX).json()["detail"]

    assert "merged cells: B2:B3, C2:D2." in detail


def test_merged_cells_of_an_ods_file_are_refused_with_their_ranges(teacher: TestClient) -> None:
    wide = ods_cell("string", "A", 'table:number-columns-spanned="2" table:number-rows-spanned="1"')

    detail = send(teacher, ods(HEADER, ["S1", wide, Xml("<table:covered-table-cell/>"), 5]), ODS).json()["detail"]

    assert "merged cells: B2:C2." in detail


def test_merged_cells_above_the_header_do_no_harm(convert: Convert) -> None:
    found, _ = convert(workbook(["Exam"], [], *CLASS, merged=["A1:D2"]))

    found.refuse_merged(header_line=3)
    found.refuse_merged(header_line=2, ignored_rows=[2])
    with pytest.raises(InvalidFile, match="A1:D2"):
        found.refuse_merged(header_line=2)


def test_macros_are_not_run_and_do_no_harm(convert: Convert) -> None:
    content = xlsx(Sheet("Class", CLASS), parts={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0Sub Auto_Open()"})

    assert convert(content)[1][1][:2] == ["S1", "Asha"]


def test_the_progress_is_told_of_the_text_that_is_read() -> None:
    work = Import.model_construct(options=Options(dry_run=True), size=1_000, text_size=10_000, offset=2_000)

    assert work.percent == 20
