"""Exports of students as CSV or NDJSON, filtered and sorted like the list, and suitable for an import."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from tests.servers import serve
from tests.transfers.helpers import (
    CSV,
    JSON,
    NDJSON,
    add,
    counts,
    imported,
    lines,
    read_table,
    sign_in_at,
    stored,
    students,
)

EXPORT = "/exports/students"

PEOPLE: list[tuple[str, str, dict[str, float]]] = [
    ("Asha Rao", "Physics", {"math": 91, "art": 64.5}),
    ("Zoë Łuk", "Physics", {"math": 0}),
    ("Bo Rao", "Art", {}),
    ("asha", "Chemistry, applied", {"art": 100, "music": 7.25}),
    ("Ümit", "Art", {"math": 91}),
]
SOME: list[JSON] = [
    {"roll_no": f"S{number}", "name": name, "branch": branch, "marks": marks}
    for number, (name, branch, marks) in enumerate(PEOPLE)
]

QUERIES = [
    "",
    "branch=Physics",
    "branch=Physics&branch=Art",
    "branch=None",
    "marks.math.gte=50",
    "marks.math.gt=0&marks.math.lt=91",
    "missing=math",
    "missing=math&missing=music",
    "q=rao",
    "q=asha r",
    "updated_since=2020-01-01T00:00:00Z",
    "updated_since=2999-01-01T00:00:00Z",
    "sort=-name",
    "sort=branch,-name",
    "sort=-marks.math,name",
    "sort=marks.art",
    "sort=-created_at",
    "branch=Art&sort=-marks.math",
    "roll_no=S1&roll_no=S9&roll_no=S3&sort=-name",
    "where=marks.math>=91|marks.art<70&where=branch!=Chemistry, applied",
    "where=missing=math|name=asha&roll_no=S3&roll_no=S4",
]


@pytest.fixture
def school(any_teacher: TestClient) -> TestClient:
    imported(any_teacher, lines(SOME), NDJSON)
    return any_teacher


def test_an_export_selects_and_sorts_as_the_list_does(school: TestClient) -> None:
    for query in QUERIES:
        listed = school.get(f"/students?{query}").json()

        as_lines = school.get(f"{EXPORT}?format=ndjson&{query}")
        as_table = school.get(f"{EXPORT}?format=csv&{query}")

        names = ("roll_no", "name", "branch", "marks")
        expected = [{name: one[name] for name in names} for one in listed]
        assert [json.loads(line) for line in as_lines.text.splitlines()] == expected, query
        header, *rows = read_table(as_table.content.decode("utf-8-sig"))
        subjects = sorted({subject for one in listed for subject in one["marks"]})
        assert header == ["roll_no", "name", "branch", *subjects], query
        exported = [
            [*row[:3], {s: float(cell) for s, cell in zip(subjects, row[3:], strict=True) if cell}] for row in rows
        ]
        assert exported == [list(one.values()) for one in expected], query


@pytest.mark.parametrize(
    ("accept", "format_", "media"),
    [
        ("*/*", None, CSV),
        (CSV, None, CSV),
        (NDJSON, None, NDJSON),
        ("text/html", None, CSV),
        (CSV, "ndjson", NDJSON),
        (NDJSON, "csv", CSV),
    ],
)
def test_the_client_chooses_the_format(teacher: TestClient, accept: str, format_: str | None, media: str) -> None:
    query = f"?format={format_}" if format_ else ""

    answer = teacher.get(EXPORT + query, headers={"Accept": accept})

    assert answer.headers["Content-Type"].partition(";")[0] == media
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="students-20')
    assert disposition.endswith('.csv"' if media == CSV else '.ndjson"')
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_export_of_no_students_has_only_a_header(any_teacher: TestClient) -> None:
    assert any_teacher.get(EXPORT).content == b"\xef\xbb\xbfroll_no,name,branch\r\n"
    assert any_teacher.get(f"{EXPORT}?format=ndjson").content == b""
    assert counts(imported(any_teacher, any_teacher.get(EXPORT).content)) == (0, 0, 0, 0, 0)


def test_deleted_students_are_not_exported(school: TestClient) -> None:
    assert school.delete("/students/S3").status_code == 204

    text = school.get(EXPORT).text

    assert "S3" not in text
    assert "music" not in text


@pytest.mark.parametrize(
    "query",
    [
        "format=ods",
        "separator=|",
        "decimal=x",
        "sort=age",
        "limit=5",
        "fields=name",
        "marks.math.gte=x",
        "cursor=a",
        "updated_since=1",
    ],
)
def test_a_wrong_parameter_is_named(teacher: TestClient, query: str) -> None:
    answer = teacher.get(f"{EXPORT}?{query}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert [one["parameter"] for one in answer.json()["errors"]] == [query.partition("=")[0]]


def test_an_import_of_an_export_changes_nothing(teacher: TestClient, database: Database[JSON]) -> None:
    imported(teacher, lines(SOME), NDJSON)
    before = stored(database)

    for format_, media in (("csv", CSV), ("ndjson", NDJSON)):
        content = teacher.get(f"{EXPORT}?format={format_}").content
        for blank in ("keep", "remove"):
            assert counts(imported(teacher, content, media, blank=blank)) == (5, 0, 0, 5, 0)

    assert stored(database) == before


def test_an_export_of_a_thousand_subjects_can_be_imported(teacher: TestClient) -> None:
    rows = [
        {"roll_no": f"S{year}", "name": "A", "branch": "B", "marks": {f"{year}/{number}": 5 for number in range(100)}}
        for year in range(11)
    ]
    imported(teacher, lines(rows), NDJSON)

    report = imported(teacher, teacher.get("/exports/students").content)

    assert counts(report) == (11, 0, 0, 11, 0)


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("+5", "'+5"), ("-x", "'-x"), ("@x", "'@x"), ("'=x", "''=x"), ("'x", "'x"), ("x=1", "x=1")],
)
def test_formulas_are_escaped(teacher: TestClient, text: str, cell: str) -> None:
    add(teacher, "S1", text, text, **{text: 1})

    rows = read_table(teacher.get(EXPORT).content.decode("utf-8-sig"))

    assert rows == [["roll_no", "name", "branch", cell], ["S1", cell, cell, "1"]]


def test_a_roll_number_may_look_like_a_formula(teacher: TestClient) -> None:
    add(teacher, "-1")

    content = teacher.get(EXPORT).content

    assert b"'-1" in content
    assert counts(imported(teacher, content)) == (1, 0, 0, 1, 0)


def test_subjects_named_like_fields_have_the_prefix_marks(teacher: TestClient) -> None:
    names = ("name", "roll_no", "branch", "created_at", "updated_at", "import_error", "id", "marks")
    marks = {name: number for number, name in enumerate(names)}
    body = {"roll_no": "S1", "name": "Asha", "branch": "Physics", "marks": marks}
    assert teacher.post("/students", json=body).status_code == 201

    content = teacher.get(EXPORT).content

    assert b"marks.name" in content
    assert counts(imported(teacher, content)) == (1, 0, 0, 1, 0)
    assert teacher.delete("/students/S1").status_code == 204
    imported(teacher, content)
    assert students(teacher) == {"S1": {"name": "Asha", "branch": "Physics", "marks": marks}}


AWKWARD = st.text("=+-@';,\"|\t ab1Zé\u200d\u0e01\U0001f600#%&<>\\", min_size=1, max_size=8).map(
    lambda text: text.replace("\t", "").strip(" \u200d") + "x"
)
# A subject must not start with `$`.
SUBJECTS = AWKWARD.filter(lambda text: not text.startswith("$"))
MARKS = st.one_of(st.integers(0, 100), st.integers(0, 10_000).map(lambda number: number / 100))
CLASSES = st.dictionaries(
    st.text("Sa1._-", min_size=1, max_size=6).filter(lambda text: text.strip(".")),
    st.fixed_dictionaries({"name": AWKWARD, "branch": AWKWARD, "marks": st.dictionaries(SUBJECTS, MARKS, max_size=4)}),
    max_size=5,
)


@settings(
    max_examples=13,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=CLASSES, format_=st.sampled_from(["csv", "ndjson"]))
def test_an_import_of_an_export_restores_the_same_students(
    teacher: TestClient, database: Database[JSON], content: dict[str, JSON], format_: str
) -> None:
    for name in ("students", "student_history", "student_changes"):
        database[name].delete_many({})
    rows = [{"roll_no": roll_no, **one} for roll_no, one in content.items()]
    imported(teacher, lines(rows), NDJSON, identity="exact")
    before = students(teacher)

    export = teacher.get(f"{EXPORT}?format={format_}").content
    database["students"].delete_many({})
    # The school is empty now, so subjects that look alike are new: the importer must say that they are different.
    subjects = {subject for one in content.values() for subject in one["marks"]}
    columns = ",".join(f"#{number}:marks" for number in range(4, 4 + len(subjects)))
    options = {"columns": columns} if format_ == "csv" else {}
    report = imported(teacher, export, CSV if format_ == "csv" else NDJSON, **options, identity="exact")

    assert counts(report) == (len(content), len(content), 0, 0, 0)
    assert students(teacher) == before


@pytest.mark.process
def test_an_export_is_streamed(tmp_path: Path) -> None:
    text = "roll_no,name,branch\n" + "".join(f"S{number:05},{'x' * 180},B\n" for number in range(6_000))
    with serve(tmp_path) as server, server.client() as client:
        sign_in_at(client)
        report: dict[str, Any] = client.post("/imports", content=text.encode(), headers={"Content-Type": CSV}).json()
        assert report["created"] == 6_000

        with client.stream("GET", EXPORT) as answer:
            pieces = answer.iter_raw()
            first = next(pieces)
            rest = list(pieces)

        assert "Content-Length" not in answer.headers
        assert first.startswith(b"\xef\xbb\xbfroll_no,name,branch")
        assert len(first) < 500_000
        assert len(read_table(b"".join([first, *rest]).decode("utf-8-sig"))) == 6_001
