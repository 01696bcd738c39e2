"""Files as people have them: what is doubtful about their columns and cells, and the parameters that settle it."""

import pytest
from fastapi.testclient import TestClient

from tests.transfers.helpers import JSON, counts, imported, send, student, students, table

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
        ("column_serial", [7, 8, 9, 10, 11, 12]),
        ("column_constant", [30, 30, 30, 30, 30, 30]),
        (None, [31, 30, 30, 30, 30, 30]),
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
        ({"name": "join"}, "needs a column of the first name"),
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
        ({"ignore_rows": str(2**63)}, "ignore_rows"),
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


def test_a_row_of_maxima_is_no_student(teacher: TestClient) -> None:
    text = f"{FIELDS},math\n,Points Possible,,50\nS1,Ana,CSE,5\n,Average,,5\n"

    (finding,) = send(teacher, text).json()["findings"][:1]
    assert (finding["code"], finding["lines"]) == ("not_a_student", [2, 4])
    assert preview(teacher, text)["parameters"] == {"ignore_rows": [2, 4]}
    (told,) = imported(teacher, text, ignore_rows=[2, 4])["findings"]
    assert (told["code"], told["lines"], told["stops"]) == ("rows_ignored", [2, 4], False)
    assert set(students(teacher)) == {"S1"}


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
