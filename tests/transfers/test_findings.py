"""Files as people have them: what is doubtful about their columns and cells, and the parameters that settle it."""

import pytest
from fastapi.testclient import TestClient

from tests.transfers.helpers import JSON, NDJSON, counts, imported, lines, send, student, students, table

CLASS = """SNo,roll_no,name,branch,age,semester,math,physics,Total,Percentage,Rank
1,S1,Asha Rao,Physics,17,3,20,25,45,45,1
2,S2,Bo Li,Physics,18,3,30,20,50,50,1
"""
NO_MARKS = {
    "SNo": "column_serial",
    "age": "column_age",
    "semester": "column_attribute",
    "Total": "column_total",
    "Percentage": "column_percentage",
    "Rank": "column_rank",
}
MOODLE = """"First name",Surname,"ID number",Institution,Department,"Email address","Assignment: Essay","Course total"
Anne,Able,1001,HQ,CS,anne@example.com,56.00,56.00
Bob,Bunce,1002,HQ,CS,bob@example.com,-,12.00
"""
FIELDS = "roll_no,name,branch"


def preview(client: TestClient, content: str | bytes, **params: str) -> JSON:
    """Preview the import of a CSV file."""
    data = content.encode() if isinstance(content, str) else content
    answer = client.post("/imports/preview", content=data, params=params, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def found(report: JSON) -> dict[str, str]:
    """Return the codes of findings by column."""
    return {finding["column"]: finding["code"] for finding in report["findings"]}


def test_columns_that_hold_no_marks_stop_the_file_until_they_are_left_out(teacher: TestClient) -> None:
    stopped = send(teacher, CLASS)

    assert (stopped.status_code, stopped.json()["type"]) == (422, "/problems/import-rejected")
    assert found(stopped.json()) == NO_MARKS
    assert all(finding["stops"] for finding in stopped.json()["findings"])
    assert students(teacher) == {}
    assert send(teacher, CLASS, on_error="skip").status_code == 422, "a finding is no error of a row"
    assert send(teacher, CLASS, dry_run="true").status_code == 422

    imported(teacher, CLASS, ignore=",".join(NO_MARKS))
    assert students(teacher)["S2"] == student("Bo Li", "Physics", math=30, physics=20)
    ranked = teacher.get("/rankings?by=total").json()
    assert [(one["roll_no"], one["value"]) for one in ranked] == [("S2", 50), ("S1", 45)]


def test_a_column_that_looks_derived_can_be_a_subject(teacher: TestClient) -> None:
    text = f"{FIELDS},Rank,math\nS1,A,B,1,5\nS2,A,B,2,9\n"

    imported(teacher, text, columns="rank:marks")

    assert students(teacher)["S2"]["marks"] == {"Rank": 2, "math": 9}
    assert found(imported(teacher, text)) == {}, "a stored subject is not doubted"


@pytest.mark.parametrize(
    ("code", "numbers"),
    [
        ("column_total", [50, 59, 91, 121, 79, 100]),
        ("column_average", [25, 29.5, 45.5, 60.5, 39.5, 50]),
        ("column_percentage", [20, 23.6, 36.4, 48.4, 31.6, 40]),
        ("column_rank", [6, 5, 3, 1, 4, 2]),
        ("column_serial", [1, 2, 3, 4, 5, 6]),
        ("column_serial", [0, 1, 2, 3, 4, 5]),
        (None, [7, 8, 9, 10, 11, 12]),
        ("column_constant", [30, 30, 30, 30, 30, 30]),
        (None, [31, 30, 30, 30, 30, 30]),
        (None, [50, 51, 52, 53, 54, 55]),
    ],
)
def test_a_column_is_doubted_by_its_numbers(teacher: TestClient, code: str | None, numbers: list[float]) -> None:
    marks = list(zip([20, 30, 46, 62, 39, 50], [30, 29, 45, 59, 40, 50], numbers, strict=True))
    text = table([[*FIELDS.split(","), "a", "b", "c"], *([f"S{n}", "A", "B", *row] for n, row in enumerate(marks))])

    assert preview(teacher, text, dry_run="true")["parameters"].get("ignore") == (["c"] if code else None)
    assert found(preview(teacher, text)) == ({"c": code} if code else {})


def test_a_text_column_is_one_finding(teacher: TestClient) -> None:
    text = f"{FIELDS},email,math\n" + "".join(f"S{n},A,B,a{n}@example.com,{n % 7}\n" for n in range(30))

    rejected = send(teacher, text).json()

    assert found(rejected) == {"email": "column_no_numbers"}
    assert rejected["failed"] == 0
    assert imported(teacher, text, ignore="EMAIL")["created"] == 30


def test_a_subject_that_looks_like_a_stored_one_is_told(teacher: TestClient) -> None:
    imported(teacher, f"{FIELDS},math\nS1,A,B,50\n")
    text = f"{FIELDS},Maths\nS1,A,B,55\n"

    (finding,) = send(teacher, text).json()["findings"]
    assert (finding["code"], finding["settled_by"]) == ("subject_similar", "columns=Maths:marks.math")
    imported(teacher, text, columns="Maths:marks.math")
    assert students(teacher)["S1"]["marks"] == {"math": 55}
    imported(teacher, text, columns="Maths:marks")
    assert students(teacher)["S1"]["marks"] == {"math": 55, "Maths": 55}


def test_a_declared_subject_is_not_doubted_before_it_has_a_mark(teacher: TestClient) -> None:
    imported(teacher, f"{FIELDS},Art-Design,biologys\nS1,A,B,50,60\n")
    for subject, declared in {"Art Design": {}, "Biology": {"aliases": ["bio"]}, "Rank": {}, "Attendance": {}}.items():
        assert teacher.put(f"/subjects/{subject}", json=declared).status_code == 201

    assert preview(teacher, f"{FIELDS},Biology\nS1,A,B,1\n")["findings"] == []
    imported(teacher, f"{FIELDS},Art Design,Bio,Rank,Attendance\nS1,A,B,1,2,3,4\n")

    assert students(teacher)["S1"]["marks"] == {
        "Art-Design": 50, "biologys": 60, "Art Design": 1, "Biology": 2, "Rank": 3, "Attendance": 4,
    }  # fmt: skip


def test_two_spellings_of_one_new_subject_are_not_two_subjects(teacher: TestClient) -> None:
    text = f"{FIELDS},Chem,chem\nS1,A,B,15,16\n"

    for path in ("/imports", "/imports/preview"):
        answer = teacher.post(path, content=text.encode(), headers={"Content-Type": "text/csv"})
        assert answer.status_code == 422
        assert 'Columns 4 "Chem" and 5 "chem" are all taken for the subject "Chem".' in answer.json()["detail"]
    imported(teacher, text, ignore="#5")
    assert students(teacher)["S1"]["marks"] == {"Chem": 15}


def test_names_are_joined_and_columns_mapped(teacher: TestClient) -> None:
    columns = "ID number:roll_no,Assignment: Essay:marks.essay"

    refused = send(teacher, MOODLE, columns=columns)
    report = imported(teacher, MOODLE, columns=columns, name="join", ignore="Institution,Email address,Course total")

    assert "name=join" in refused.json()["detail"]
    assert students(teacher) == {
        "1001": student("Anne Able", "CS", essay=56),
        "1002": student("Bob Bunce", "CS"),
    }
    assert report["absent"] == 1
    assert [(one["name"], one["role"], one["reason"]) for one in report["columns"]] == [
        ("First name", "first_name", "word"),
        ("Surname", "last_name", "word"),
        ("ID number", "roll_no", "parameter"),
        ("Institution", "ignored", "parameter"),
        ("Department", "branch", "word"),
        ("Email address", "ignored", "parameter"),
        ("Assignment: Essay", "subject", "parameter"),
        ("Course total", "ignored", "parameter"),
    ]


def test_a_branch_and_roll_numbers_come_from_parameters(teacher: TestClient) -> None:
    imported(teacher, "Name,math\nAna,5\nBo,6\n", branch="8B", roll_no="number:8B-")

    assert students(teacher) == {"8B-1": student("Ana", "8B", math=5), "8B-2": student("Bo", "8B", math=6)}


@pytest.mark.parametrize("file", ["errors.csv", "errors.xlsx"])
def test_failed_rows_keep_the_roll_numbers_that_were_made(teacher: TestClient, file: str) -> None:
    text = "Name,math\nAna,5\nBo,bad\nCy,7\nDi,bad\n"
    report = imported(teacher, text, branch="8B", roll_no="number:8B-", on_error="skip")

    failed = teacher.get(f"/imports/{report['id']}/{file}")
    media = failed.headers["Content-Type"].partition(";")[0]
    again = {"branch": "8B", "ignore": "math", "on_error": "skip"}

    assert send(teacher, failed.content, media, None, roll_no="number:8B-", **again).status_code == 422
    assert imported(teacher, failed.content, media, **again)["created"] == 2
    assert {roll_no: one["name"] for roll_no, one in students(teacher).items()} == {
        "8B-1": "Ana",
        "8B-2": "Bo",
        "8B-3": "Cy",
        "8B-4": "Di",
    }


def test_an_email_address_is_an_id(teacher: TestClient) -> None:
    text = "email,name,branch\nana.lim@example.com,Ana,B\nnobody,Bo,B\n"

    report = imported(teacher, text, columns="email:roll_no", id="local-part", on_error="skip")

    assert set(students(teacher)) == {"ana.lim"}
    assert [(one["line"], one["code"]) for one in report["errors"]] == [(3, "email")]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"columns": "x:roll_no"}, 'names the column "x"'),
        ({"columns": "a:marks.b"}, '2 columns are named "a"'),
        ({"roll_no": "number"}, "Both roll_no= and the column"),
        ({"branch": "8B"}, "Both branch= and the column"),
        ({"name": "join"}, 'The column "name" has whole names, so there is nothing to join. Leave out name=join;'),
        ({"name": "join", "ignore": "name"}, "needs a column of the first name"),
        ({"name": "join", "columns": "name:first_name"}, "columns=NAME:last_name and join them with name=join"),
        ({"columns": "name:last_name"}, "take this one for the whole name with columns=name:name."),
        ({}, "Leave out all but one, as with ignore=#5 or give it another name with columns=#5:marks.NAME."),
        ({"scale": "A:20,b:5", "columns": "#5:marks.c"}, 'scale= names the subject "b", which the file does not have.'),
        ({"scale": "name:20", "ignore": "a"}, 'scale= names the subject "name"'),
        ({"scale": "a:20,A:10", "columns": "#5:marks.c"}, 'scale= gives "A" two highest marks.'),
        ({"roll_no": "number", "id": "local-part"}, "Both roll_no= and id= say how roll numbers are made."),
        ({"columns": "branch:name,#4:marks.a4"}, 'Columns 2 "name" and 3 "branch" are all taken for name'),
    ],
)
def test_parameters_that_do_not_fit_the_header_are_told(
    teacher: TestClient, params: dict[str, str], named: str
) -> None:
    answer = send(teacher, f"{FIELDS},a,a\nS1,A,B,1,2\n", "text/csv", None, **params)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-file")
    assert named in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"columns": "a"}, "columns"),
        ({"columns": "a:age"}, "columns"),
        ({"columns": "a:marks.$b"}, "columns"),
        ({"scale": "essay:0"}, "scale"),
        ({"scale": "essay"}, "scale"),
        ({"roll_no": "row"}, "roll_no"),
        ({"ignore_rows": "0"}, "ignore_rows"),
        ({"encoding": "klingon"}, "encoding"),
    ],
)
def test_a_parameter_with_a_wrong_value_is_named(teacher: TestClient, params: dict[str, str], field: str) -> None:
    answer = send(teacher, f"{FIELDS}\nS1,A,B\n", "text/csv", None, **params)

    assert answer.status_code == 422
    assert field in str(answer.json()["errors"])


def test_absent_is_no_mark_and_counted(teacher: TestClient) -> None:
    text = f"{FIELDS},math,physics\nS1,A,B,91,AB\nS2,A,B,-,70\nS3,A,B,sick,0\n"

    assert send(teacher, text).json()["errors"][0]["code"] == "mark_type"
    report = imported(teacher, text, absent="AB,-,Sick")

    assert report["absent"] == 3
    assert [one["marks"] for one in students(teacher).values()] == [{"math": 91}, {"physics": 70}, {"physics": 0}]


def test_decimals_are_rounded_on_request(teacher: TestClient) -> None:
    text = f"{FIELDS},math\nS1,A,B,78.33333333333333\nS2,A,B,85.\n"

    (finding,) = send(teacher, text).json()["findings"]
    assert (finding["code"], finding["settled_by"], finding["lines"]) == ("mark_decimals", "decimals=round", [2])
    imported(teacher, text, decimals="round")
    assert [one["marks"]["math"] for one in students(teacher).values()] == [78.33, 85]


def test_percentages_and_fractions_need_a_scale(teacher: TestClient) -> None:
    text = f"{FIELDS},math,essay\nP1,Ana,CSE,85%,18/20\nP2,Bo,CSE,70%,12/20\n"

    refused = send(teacher, text).json()
    imported(teacher, text, scale="essay:20")

    assert {(one["line"], one["code"]) for one in refused["errors"]} == {
        (line, code) for line in (2, 3) for code in ("mark_percent", "mark_fraction")
    }
    assert students(teacher)["P1"]["marks"] == {"math": 85, "essay": 90}


def test_a_scale_names_a_column_in_any_spelling(teacher: TestClient) -> None:
    """Also before the subject is stored, and by the name of a column that is taken for another subject."""
    text = f"{FIELDS},Dict\u00e9e,Ph\u00e9,Essay,marks.Rank,Total\nV1,A,b,18,6,9,3,200\n"
    options = {"columns": "Essay:marks.english"}

    shown = preview(teacher, text, **options, scale="dict\u00e9e:20,Phe\u0301:10,essay:10,marks.rank:5,total:200")
    imported(teacher, text, **shown["parameters"])

    assert shown["parameters"]["ignore"] == ["Total"]
    assert students(teacher)["V1"]["marks"] == {"Dict\u00e9e": 90, "Ph\u00e9": 60, "english": 90, "Rank": 60}


def test_a_bad_cell_loses_its_mark_only_on_request(teacher: TestClient) -> None:
    text = f"{FIELDS},math,art\nS1,A,B,good,5\nS2,A,B,7,8\n,A,B,1,1\n"

    assert counts(imported(teacher, text, on_error="skip")) == (3, 1, 0, 0, 2)
    report = imported(teacher, text, on_error="skip-cell")

    assert (counts(report), report["cells_skipped"], report["on_error"]) == ((3, 1, 0, 1, 1), 1, "skip-cell")
    assert students(teacher)["S1"]["marks"] == {"art": 5}
    failed = teacher.get(f"/imports/{report['id']}/errors.csv").text
    assert [line.split(",")[0] for line in failed.splitlines()[1:]] == ["S1", ""]


def test_roll_numbers_are_mended_on_request(teacher: TestClient) -> None:
    text = f"{FIELDS},math\n2021/CS/12,Ana,CSE,5\n2021/CS/13,Bo,CSE,6\nCS 14,Cy,CSE,7\n"

    (refused,) = send(teacher, text).json()["findings"]
    report = imported(teacher, text, mend="roll_no")
    twice = send(teacher, f"{text}2021-CS 12,Di,CSE,1\n", mend="roll_no", mode="insert").json()

    assert (refused["count"], refused["settled_by"]) == (3, "mend=roll_no")
    assert set(students(teacher)) == {"2021-CS-12", "2021-CS-13", "CS-14"}
    assert [(one["code"], one["lines"], one["stops"]) for one in report["findings"]] == [
        ("roll_no_mended", [2, 3, 4], False)
    ]
    assert "duplicate" in {one["code"] for one in twice["errors"] if one["line"] == 5}


@pytest.mark.parametrize("params", [{}, {"mend": "roll_no"}])
def test_mending_is_proposed_only_for_what_it_mends(teacher: TestClient, params: dict[str, str]) -> None:
    text = f"{FIELDS}\n\u00c4-12,Ana,CSE\n\u00d6-12,Bo,CSE\n2021/CS/13,Cy,CSE\n"

    report = send(teacher, text, "text/csv", None, **params).json()

    told = {(one["code"], one["settled_by"], one["count"]) for one in report["findings"]}
    assert ("code_character", None, 2) in told
    assert (("code_character", "mend=roll_no", 1) in told) == (not params)
    assert [one["line"] for one in report["errors"][:2]] == [2, 3]
    assert all("'-' instead" not in one["detail"] for one in report["errors"][:2])


def test_a_row_of_maxima_is_no_student(teacher: TestClient) -> None:
    text = f"{FIELDS},math\n,Points Possible,,150\nS1,Ana,CSE,5\n,Average,,5\n"

    report = send(teacher, text).json()
    (finding,) = report["findings"]
    assert (finding["code"], finding["lines"]) == ("not_a_student", [2, 4])
    assert [one["code"] for one in report["errors"]] == ["not_a_student"] * 2, "other errors of such rows only confuse"
    assert preview(teacher, text)["parameters"] == {"ignore_rows": [2, 4]}
    (told,) = imported(teacher, text, ignore_rows=[2, 4])["findings"]
    assert (told["code"], told["lines"], told["stops"]) == ("rows_ignored", [2, 4], False)
    assert set(students(teacher)) == {"S1"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",,,(out of 50),(out of 100)", "neither a roll number nor a name"),
        (",,Average,5,150", "neither a roll number nor a name"),
        (",,,5,6", "neither a roll number nor a name"),
        ("Total,,,100,120", "maxima or averages"),
        ("Prepared by: Ms. Smith", "a note"),
        ("AB = absent,,,,", "a note"),
        ("Roll No,Name,Branch,Math,Art", "names of columns"),
        ("roll_no,name,branch,5,6", "names of columns"),
    ],
)
def test_a_row_that_is_no_student_is_told_and_can_be_left_out(teacher: TestClient, row: str, why: str) -> None:
    text = f"{FIELDS},math,art\nS1,Ana,CSE,5,6\n{row}\nS2,Bo,CSE,7,8\n"

    (error,) = send(teacher, text, mend="roll_no").json()["errors"]

    assert (error["line"], error["code"]) == (3, "not_a_student")
    assert why in error["detail"]
    assert "ignore_rows=3" in error["detail"]
    proposed = preview(teacher, text)["parameters"]
    assert imported(teacher, text, **proposed)["created"] == 2


@pytest.mark.parametrize(
    "row", ["S2,Max,CSE,5,6", "S2,,,5,6", "S2", "CS 2,Bo,CSE,,", "Total1,Bo,CSE,5,6", ",Bo,CSE,5,6", "S2,Roll,CSE,,"]
)
def test_other_rows_are_students(teacher: TestClient, row: str) -> None:
    report = send(teacher, f"{FIELDS},math,art\nS1,Ana,CSE,5,6\n{row}\n", on_error="skip").json()

    assert "not_a_student" not in {one["code"] for one in report["errors"]}


def test_a_row_with_content_only_in_columns_that_are_left_out_is_blank(teacher: TestClient) -> None:
    text = f"SNo,{FIELDS},math,Total\n1,S1,Ana,CSE,5,5\n2,,,,,0\n3,S3,Cy,CSE,7,7\n"

    assert [one["line"] for one in send(teacher, text, columns="SNo:marks,Total:marks").json()["errors"]] == [3]
    report = imported(teacher, text, ignore="SNo,Total")

    assert (counts(report), set(students(teacher))) == ((2, 2, 0, 0, 0), {"S1", "S3"})


def test_a_file_of_failed_rows_that_is_not_complete_can_be_sent_again(
    teacher: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.transfers.imports.failed_rows.MAX_STORED", 1)
    rejected = send(teacher, f"{FIELDS},math\nS1,Ana,CSE,950\nS2,Bo,CSE,950\n").json()

    for file in ("errors.csv", "errors.xlsx"):
        failed = teacher.get(f"/imports/{rejected['id']}/{file}")
        media = failed.headers["Content-Type"].partition(";")[0]
        assert imported(teacher, failed.content, media, ignore="math", mode="upsert")["rows"] == 1


def test_letter_grades_are_no_marks(teacher: TestClient) -> None:
    text = f"{FIELDS},math,grade\nS1,Ana,CSE,5,A\nS2,Bo,CSE,7,B+\nS3,Cy,CSE,7,A\n"

    assert found(send(teacher, text).json()) == {"grade": "column_no_numbers"}


def test_a_column_of_dates_is_told_once(teacher: TestClient) -> None:
    text = f"{FIELDS},math,Exam\nS1,Ana,CSE,5,2026-03-01\nS2,Bo,CSE,7,10-Mar\n"

    assert found(send(teacher, text).json()) == {"Exam": "column_dates"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ID", "serial"),
        ("\u0915\u094d\u0930.\u0938\u0902.", "serial"),
        ("Attendance", "attribute"),
        ("Absences", "attribute"),
        ("Credits", "attribute"),
        ("Bemerkung", "attribute"),
        ("Current Score", "total"),
        ("Identity", None),
        ("Creditable English", None),
    ],
)
def test_a_column_is_doubted_by_its_name(teacher: TestClient, name: str, code: str | None) -> None:
    text = f"{FIELDS},math,{name}\nS1,Ana,CSE,5,9\nS2,Bo,CSE,7,4\n"

    assert found(preview(teacher, text)) == ({name: f"column_{code}"} if code else {})


@pytest.mark.parametrize(
    ("name", "highest"),
    [
        ("Math (50)", 50),
        ("Physics /20", 20),
        ("Essay out of 20", 20),
        ("Quiz [10.0]", None),
        ("Test (max. 12.5 points)", None),
        ("Art (of 100)", None),
        ("Exam (2)", None),
        ("Term 1 (2026)", None),
        ("Unit 4", None),
        ("Group (B)", None),
    ],
)
def test_a_highest_mark_in_a_name_is_told(teacher: TestClient, name: str, highest: int | None) -> None:
    text = table([[*FIELDS.split(","), name], ["S1", "Ana", "CSE", 9.5], ["S2", "Bo", "CSE", 5]])
    columns = f"#4:marks.{name}".replace(".0", "").replace("max.", "max").replace("12.5", "12")
    scale = preview(teacher, text, columns=columns)["findings"]

    if "." in name:
        assert [one["code"] for one in scale] == ["column_scale"]
    elif highest is None:
        assert scale == []
    else:
        ((code, settled_by, stops),) = [(one["code"], one["settled_by"], one["stops"]) for one in scale]
        assert (code, settled_by, stops) == ("column_scale", f"scale={name}:{highest}", False)
        report = imported(teacher, text, scale=settled_by.removeprefix("scale="))
        assert (report["findings"], students(teacher)["S2"]["marks"]) == ([], {name: 500 / highest})


def test_columns_without_a_name_are_named_by_their_numbers(teacher: TestClient) -> None:
    text = f"{FIELDS},Maths,,Science,\n,,,Theory,Practical,Theory,Practical\nS1,Ana,CSE,45,20,50,22\n"

    errors = send(teacher, text, ignore_rows="2").json()["errors"]
    columns = "#4:marks.MT,#5:marks.MP,#6:marks.ST"
    imported(teacher, text, columns=f"{columns},#7:marks.SP", ignore_rows=[2])

    assert "columns=#7:marks.NAME" in errors[0]["detail"]
    assert students(teacher)["S1"]["marks"] == {"MT": 45, "MP": 20, "ST": 50, "SP": 22}
    assert imported(teacher, text, columns=columns, ignore="#7", ignore_rows=[2])["unchanged"] == 1
    beyond = send(teacher, text, "text/csv", None, columns="#8:marks.X")
    assert 'names the column "#8", which the file does not have' in beyond.json()["detail"]


def test_a_surplus_cell_is_not_to_be_left_out(teacher: TestClient) -> None:
    (error,) = send(teacher, f"{FIELDS},math\nS1,Rao, Asha,CSE,5\n").json()["errors"]

    assert "quotation marks" in error["detail"]
    assert "ignore=" not in error["detail"]


def test_a_missing_branch_is_told_with_the_ways_to_give_it(teacher: TestClient) -> None:
    text = "roll_no,name,Class,math\nS1,Ana,8B,5\nS2,Bo,8B,7\n"

    told = {one["code"]: (one["settled_by"], one["detail"]) for one in preview(teacher, text)["findings"]}

    assert told["missing"][0] == "branch=NAME"
    assert "columns=Class:branch" in told["column_no_numbers"][1]
    imported(teacher, text, columns="Class:branch")
    assert students(teacher)["S2"]["branch"] == "8B"
    blank = send(teacher, f"{FIELDS},math\nS3,Cy,,5\n").json()["findings"]
    assert [(one["code"], one["settled_by"]) for one in blank] == [("missing", None)]


@pytest.mark.parametrize(
    ("cell", "settled_by"),
    [
        ("950", "scale=math:NUMBER"),
        ("-2", None),
        ("1,000", "decimal=,"),
        ("1.234,5", None),
    ],
)
def test_only_a_parameter_that_settles_an_error_is_named(
    teacher: TestClient, cell: str, settled_by: str | None
) -> None:
    (finding,) = send(teacher, f'{FIELDS},math\nS1,Ana,CSE,"{cell}"\n').json()["findings"]

    assert finding["settled_by"] == settled_by


def test_ndjson_has_no_parameters_of_tables(teacher: TestClient) -> None:
    text = lines([{"roll_no": "S/1", "name": "Ana", "marks": {"m": 5.123, "n": 500}}])

    told = send(teacher, text, NDJSON).json()["findings"]
    assert {one["code"]: one["settled_by"] for one in told} == {
        "code_character": None,
        "mark_decimals": None,
        "mark_range": None,
    }
    for params, named in (
        ({"branch": "8B", "scale": "m:20"}, "branch=, scale="),
        ({"mend": "roll_no", "encoding": "utf-16"}, "mend=, encoding="),
        ({"ignore_rows": "1", "roll_no": "number"}, "roll_no=, ignore_rows="),
    ):
        for path in ("/imports", "/imports/preview"):
            answer = teacher.post(path, content=text.encode(), params=params, headers={"Content-Type": NDJSON})
            assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-file")
            assert answer.json()["detail"].endswith(f"no columns, rows and cells. Leave out {named}.")
    answer = teacher.post(
        "/imports/preview?mode=insert&encoding=utf-8", content=text.encode(), headers={"Content-Type": NDJSON}
    ).json()
    assert answer["parameters"] == {"mode": "insert", "encoding": "utf-8"}


def test_the_header_is_found_below_a_title_if_roll_numbers_are_made(teacher: TestClient) -> None:
    imported(teacher, "Class 8B\n\nName,math\nAna,5\n", branch="8B", roll_no="number:8B-")

    assert students(teacher) == {"8B-1": student("Ana", "8B", math=5)}


def test_too_many_subjects_are_told(teacher: TestClient) -> None:
    names = ",".join(f"Q{number}" for number in range(101))
    marks = ",".join(str(number * 37 % 91) for number in range(101))

    (error,) = send(teacher, f"{FIELDS},{names}\nS1,Ana,CSE,{marks}\n").json()["errors"]

    assert (error["code"], error["detail"]) == ("subjects", "A student can have at most 100 subjects.")


def test_a_finding_has_the_first_rows_and_counts_all(teacher: TestClient) -> None:
    text = f"{FIELDS},math\n" + "".join(f"S{n},A,B,{950 + n % 3}\n" for n in range(700))

    (finding,) = send(teacher, text).json()["findings"]

    assert (finding["code"], finding["count"], finding["lines"]) == ("mark_range", 700, list(range(2, 22)))


def test_a_preview_stores_nothing_and_its_parameters_import_the_file(teacher: TestClient) -> None:
    before = preview(teacher, CLASS)

    assert teacher.get("/imports").json() == []
    assert students(teacher) == {}
    assert (before["format"], before["encoding"], before["separator"], before["header_line"]) == (
        "csv",
        "utf-8",
        ",",
        1,
    )
    assert [(one["name"], one["role"], one["is_new"]) for one in before["columns"]][5:9] == [
        ("semester", "ignored", False),
        ("math", "subject", True),
        ("physics", "subject", True),
        ("Total", "ignored", False),
    ]
    assert before["columns"][2]["samples"] == ["Asha Rao", "Bo Li"]
    assert (before["rows"], before["created"], before["failed"]) == (2, 2, 0)
    report = imported(teacher, CLASS, **before["parameters"])
    assert counts(report) == (2, 2, 0, 0, 0)
    again = preview(teacher, CLASS, **before["parameters"])
    assert (again["unchanged"], found(again), again["columns"][6]["is_new"]) == (2, {}, False)


def test_a_preview_of_another_encoding_says_so(teacher: TestClient) -> None:
    text = f"{FIELDS}\nS1,José Ñuñez,Física\n".encode("windows-1252")

    assumed = preview(teacher, text)

    assert assumed["encoding"] == "windows-1252"
    assert [(one["column"], one["code"]) for one in assumed["findings"]] == [(None, "encoding_assumed")]
    assert preview(teacher, text, encoding="windows-1252")["findings"] == []


def test_the_prefix_marks_settles_a_column(teacher: TestClient) -> None:
    imported(teacher, f"{FIELDS},marks.Total,marks.Rank\nS1,A,B,5,6\n")

    assert students(teacher)["S1"]["marks"] == {"Total": 5, "Rank": 6}
    export = teacher.get("/exports/students").text
    assert export.splitlines()[0].endswith("marks.Rank,marks.Total")


def test_a_viewer_cannot_preview(client: TestClient) -> None:
    assert client.post("/imports/preview", content=b"", headers={"Content-Type": "text/csv"}).status_code == 401


def test_a_line_to_leave_out_is_a_line_of_the_file(teacher: TestClient) -> None:
    text, ignore = f"Class 8B,,\n{CLASS}\n\n", ",".join(NO_MARKS)

    for last in (5, 2**31 - 1):
        for path in ("/imports?on_error=skip&", "/imports?", "/imports/preview?"):
            told = teacher.post(
                f"{path}ignore_rows={last}&ignore_rows=1&ignore={ignore}",
                content=text.encode(),
                headers={"Content-Type": "text/csv"},
            )
            assert (told.status_code, told.json()["type"]) == (422, "/problems/invalid-file"), told.text
            assert f"names the line {last}, but the last row of the file is at line 4." in told.json()["detail"]
    assert students(teacher) == {}
    report = imported(teacher, text, ignore_rows=[1, 4], ignore=ignore)
    assert (counts(report)[:2], list(students(teacher))) == ((1, 1), ["S1"])


def test_the_number_of_an_ignored_line_is_bounded(teacher: TestClient) -> None:
    refused = send(teacher, CLASS, ignore_rows=str(2**63))
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "ignore_rows")
