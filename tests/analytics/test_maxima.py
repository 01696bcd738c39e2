"""Statistics, rankings and report cards of subjects whose maxima differ, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.students import stored_figures
from tests.analytics.classroom import declare, store_students, student
from tests.analytics.test_chart import description, draw, headings, texts
from tests.analytics.test_tables import csv_rows

Json = dict[str, Any]

OUT_OF_110 = {"out_of": 110, "subjects": ["quiz", "math"]}


@pytest.fixture
def school(api: TestClient) -> TestClient:
    """Return a client of a school with a quiz out of 10, and with marks for conduct that are in no total."""
    declare(api, "quiz", max=10, order=1)
    declare(api, "conduct", counts_in_total=False)
    store_students(
        api,
        [
            student("S1", {"math": 60, "quiz": 8, "conduct": 100}, "8A"),
            student("S2", {"math": 71}, "8A"),
            student("S3", {"quiz": 9, "math": 40}, "8B"),
            student("S4", {"quiz": 3}, "8B"),
            student("S5", {"conduct": 90}, "8B"),
        ],
    )
    return api


def read(client: TestClient, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_statistics_are_on_one_scale(school: TestClient) -> None:
    found = read(school, "/statistics?subject=quiz&subject=math&by=branch")
    quiz, math = found["subjects"]  # the declared order

    assert {name: quiz[name] for name in ("out_of", "n", "min", "median", "max", "passed", "pass_rate")} == {
        "out_of": 10, "n": 3, "min": 30, "median": 80, "max": 90, "passed": 2, "pass_rate": 2 / 3
    }  # fmt: skip
    assert quiz["mean"] == pytest.approx(200 / 3)
    assert quiz["standard_deviation"] == pytest.approx(32.145502536643)
    assert quiz["histogram"] == [0, 0, 0, 1, 0, 0, 0, 0, 1, 1]
    assert [(one["branch"], one["mean"]) for one in quiz["branches"]] == [("8A", 80), ("8B", 60)]
    assert (math["out_of"], math["mean"], found["pass_mark"], found["bins"][-1]) == (100, 57, 40, 100)


def test_subjects_are_in_their_declared_order(school: TestClient) -> None:
    ordered = ["quiz", "conduct", "math"]

    for address in ("/statistics", "/statistics?subject=math&subject=conduct&subject=quiz"):
        assert [one["subject"] for one in read(school, address)["subjects"]] == ordered
    assert headings(draw(school)) == headings(draw(school, subject=["math", "conduct", "quiz"])) == ordered
    header = school.get("/exports/students").content.decode("utf-8-sig").splitlines()[0]
    assert header.split(",")[3:] == ordered


def test_a_mark_to_pass_is_the_same_share_of_each_maximum(school: TestClient) -> None:
    for given, passed in ((80, 2), (80.01, 1), (90, 1), (90.01, 0)):
        (quiz,) = read(school, f"/statistics?subject=quiz&pass_mark={given}")["subjects"]
        assert quiz["passed"] == passed


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("average", [(1, "S2", 71, 100), (2, "S1", 70, 100), (3, "S3", 65, 100), (4, "S4", 30, 100)]),
        ("total", [(1, "S2", 71, 100), (2, "S1", 68, 110), (3, "S3", 49, 110), (4, "S4", 3, 10)]),
        ("quiz", [(1, "S3", 9, 10), (2, "S1", 8, 10), (3, "S4", 3, 10)]),
        ("conduct", [(1, "S1", 100, 100), (2, "S5", 90, 100)]),
    ],
)
def test_a_ranking_says_of_how_many(school: TestClient, by: str, rows: list[tuple[int, str, float, float]]) -> None:
    names = ("rank", "roll_no", "value", "out_of")

    listed = read(school, f"/rankings?by={by}")
    header, *filed = csv_rows(school, f"/rankings?by={by}&format=csv")

    assert [tuple(row[name] for name in names) for row in listed] == rows
    assert [
        tuple(float(cell) if cell[0].isdigit() else cell for cell in (row[0], row[1], *row[4:])) for row in filed
    ] == rows
    assert header[-2:] == ["value", "out_of"]


def test_a_report_card_says_of_how_many_and_what_counts(school: TestClient) -> None:
    place = {"rank": 2, "of": 3, "percentile": 50}

    card = read(school, "/report-cards/S1")

    quiz, conduct, math = card["subjects"]  # the declared order, then by name
    assert quiz == {
        "subject": "quiz", "mark": 8, "grade": "A", **place, "class_mean": 20 / 3, "out_of": 10, "percent": 80
    }  # fmt: skip
    assert (math["out_of"], math["percent"], math["grade"], "counts_in_total" in math) == (100, 60, "C", False)
    assert (conduct["counts_in_total"], conduct["grade"]) == (False, "A")
    assert card["total"] == {"value": 68, "rank": 2, "of": 4, "percentile": 62.5, **OUT_OF_110}
    assert card["average"] == {
        "value": 70, "rank": 2, "of": 4, "percentile": 62.5, "grade": "B", **OUT_OF_110, "out_of": 100
    }  # fmt: skip
    only_conduct = read(school, "/report-cards/S5")
    assert (only_conduct["total"], only_conduct["average"], len(only_conduct["subjects"])) == (None, None, 1)


def test_a_report_card_agrees_with_itself_before_the_stored_figures_do(
    school: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_figures, "_updates", lambda *_: [])  # so that the stored figures stay as they are
    declare(school, "quiz", max=20)
    card = read(school, "/report-cards/S1?branch=8A")
    assert (card["total"]["value"], card["total"]["out_of"], card["total"]["rank"]) == (68, 120, 2)
    assert (card["average"]["value"], card["average"]["grade"], card["average"]["rank"]) == (50, "D", 2)
    assert card["average"]["in_branch"]["rank"] == 2

    declare(school, "conduct")
    only_conduct = read(school, "/report-cards/S5?branch=8B")
    assert (only_conduct["total"]["value"], only_conduct["total"]["out_of"]) == (90, 100)
    assert (only_conduct["average"]["value"], only_conduct["average"]["grade"]) == (90, "A")
    assert only_conduct["average"]["of"] >= only_conduct["average"]["rank"] == 1

    for subject in ("quiz", "math", "conduct"):
        declare(school, subject, counts_in_total=False)
    card = read(school, "/report-cards/S1?branch=8A")
    assert (card["total"], card["average"], len(card["subjects"])) == (None, None, 3)


def test_the_chart_names_the_maximum(school: TestClient) -> None:
    drawn = draw(school, subject="quiz")

    assert "Mark in quiz (of 10, converted)" in texts(drawn)
    assert "mean 66.67" in description(drawn)


def test_a_file_of_statistics_has_the_maxima(school: TestClient) -> None:
    for query, column in (("", 0), ("&by=branch", 0)):
        header, *rows = csv_rows(school, f"/statistics?format=csv{query}")
        assert header[-1] == "out_of"
        assert {row[column]: row[-1] for row in rows} == {"conduct": "100", "math": "100", "quiz": "10"}


@pytest.mark.parametrize(
    ("roll_no", "subject", "in_branch"),
    [
        ("S1", "quiz", {"rank": 1, "of": 1, "percentile": 50, "class_mean": 8}),
        ("S1", "math", {"rank": 2, "of": 2, "percentile": 25, "class_mean": 65.5}),
        ("S1", "total", {"rank": 2, "of": 2, "percentile": 25}),
        ("S1", "average", {"rank": 2, "of": 2, "percentile": 25}),
        ("S3", "quiz", {"rank": 1, "of": 2, "percentile": 75, "class_mean": 6}),
        ("S3", "total", {"rank": 1, "of": 2, "percentile": 75}),
        ("S4", "average", {"rank": 2, "of": 2, "percentile": 25}),
    ],
)
def test_a_report_card_compares_within_the_branch(
    school: TestClient, roll_no: str, subject: str, in_branch: Json
) -> None:
    branch = "8A" if roll_no in ("S1", "S2") else "8B"
    alone, compared = (read(school, f"/report-cards/{roll_no}{query}") for query in ("", f"?branch={branch}"))
    own = {one["subject"]: one for one in compared["subjects"]} | {
        name: compared[name] for name in ("total", "average")
    }

    assert own[subject]["in_branch"] == in_branch
    for part in own.values():
        del part["in_branch"]
    assert compared == alone


def test_a_report_card_is_compared_with_no_other_branch(school: TestClient) -> None:
    answer = school.get("/report-cards/S1?branch=8B")

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["parameter"]) == (422, "other_branch", "branch")
    assert "8A" in error["detail"]
    assert school.get("/report-cards/S1?branch=8A&branch=8A").status_code == 422
    assert school.get("/report-cards/nobody?branch=8B").status_code == 404


def test_without_declared_maxima_nothing_is_added(api: TestClient) -> None:
    declare(api, "quiz", title="A quiz")
    store_students(api, [student("S1", {"math": 60, "quiz": 8})])

    answers = [api.get(path).text for path in ("/statistics", "/rankings", "/rankings?by=quiz", "/report-cards/S1")]

    assert [text for text in answers if "out_of" in text or "in_branch" in text or 'percent"' in text] == []
