"""GET /statistics, over HTTP."""

import csv
import statistics
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.analytics.classroom import store_math_marks, store_students, student
from tests.conftest import AppClient, sign_in
from tests.processes import ROOT

WHOLE = ROOT.parent / "shared" / "data" / "gcse.csv"
EXTRACT = ROOT / "tests" / "data" / "gcse-extract.csv"

# The statistics of the whole file, which were computed without this code.
WRITTEN = {"n": 1703, "mean": 46.365238, "standard_deviation": 13.371528, "missing": 202}
COURSEWORK = {"n": 1725, "mean": 73.387449, "standard_deviation": 16.320955, "missing": 180}
WRITTEN_LIMITS = {"q1": 37, "median": 46, "q3": 55, "min": 0.6, "max": 90}
COURSEWORK_LIMITS = {"q1": 62.9, "median": 75.9, "q3": 86.1, "min": 9.25, "max": 100}


def ask(client: TestClient, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/statistics", params=parameters)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def subjects(client: TestClient, **parameters: Any) -> dict[str, dict[str, Any]]:
    return {one["subject"]: one for one in ask(client, **parameters)["subjects"]}


def load(client: TestClient, path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    marks = [{name: float(row[name]) for name in ("written", "coursework") if row[name]} for row in rows]
    store_students(client, [student(row["roll_no"], own, row["branch"]) for row, own in zip(rows, marks, strict=True)])
    return rows


def test_statistics_of_real_data_equal_independently_computed_ones(api: TestClient) -> None:
    if not WHOLE.exists():
        pytest.skip(f"{WHOLE} is missing: only the committed extract was tested")
    load(api, WHOLE)

    read = ask(api, by="branch")

    by_name = {one["subject"]: one for one in read["subjects"]}
    assert read["students"] == 1905
    for name, figures in (("written", WRITTEN | WRITTEN_LIMITS), ("coursework", COURSEWORK | COURSEWORK_LIMITS)):
        assert {key: by_name[name][key] for key in figures} == pytest.approx(figures, abs=1e-6)
        assert len(by_name[name]["branches"]) == 73
        assert sum(branch["n"] for branch in by_name[name]["branches"]) == figures["n"]
        assert sum(by_name[name]["histogram"]) == figures["n"]


def test_statistics_of_each_branch_equal_those_of_its_marks(api: TestClient) -> None:
    rows = load(api, EXTRACT)

    branches = subjects(api, by="branch")["written"]["branches"]

    assert [branch["branch"] for branch in branches] == sorted({row["branch"] for row in rows})
    for branch in branches:
        own = [row for row in rows if row["branch"] == branch["branch"]]
        marks = [float(row["written"]) for row in own if row["written"]]
        assert (branch["n"], branch["missing"]) == (len(marks), len(own) - len(marks))
        assert branch["mean"] == (pytest.approx(statistics.fmean(marks)) if marks else None)
        assert branch["median"] == (statistics.median(marks) if marks else None)


CLASS = st.lists(
    st.tuples(
        st.sampled_from(["Arts", "Physics"]),
        st.dictionaries(st.sampled_from(["math", "a b"]), st.integers(0, 10_000).map(lambda mark: mark / 100)),
    ),
    max_size=12,
)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CLASS, st.sampled_from([None, "branch"]))
def test_statistics_of_random_classes_equal_those_of_their_marks(
    api: TestClient, people: list[tuple[str, dict[str, float]]], by: str | None
) -> None:
    store_students(api, [student(f"S{number}", marks, branch) for number, (branch, marks) in enumerate(people)])

    read = ask(api, **({"by": by} if by else {}))

    assert read["students"] == len(people)
    assert [one["subject"] for one in read["subjects"]] == sorted({name for _, marks in people for name in marks})
    for one in read["subjects"]:
        assert_figures(one, [marks for _, marks in people], one["subject"])
        assert (one["branches"] is None) == (by is None)
        for branch in one["branches"] or ():
            assert_figures(branch, [marks for name, marks in people if name == branch["branch"]], one["subject"])


def assert_figures(figures: dict[str, Any], everyone: list[dict[str, float]], subject: str) -> None:
    marks = [own[subject] for own in everyone if subject in own]
    assert (figures["n"], figures["missing"]) == (len(marks), len(everyone) - len(marks))
    assert figures["mean"] == (pytest.approx(statistics.fmean(marks), abs=1e-9) if marks else None)
    spread = statistics.stdev(marks) if len(marks) > 1 else None
    assert figures["standard_deviation"] == (None if spread is None else pytest.approx(spread, abs=1e-9))
    assert (figures["min"], figures["max"]) == (min(marks, default=None), max(marks, default=None))
    assert figures["passed"] == sum(mark >= 40 for mark in marks)
    assert figures["pass_rate"] == (figures["passed"] / len(marks) if marks else None)


def test_quartiles_follow_the_linear_method(api: TestClient) -> None:
    store_math_marks(api, 1, 2, 3, 10)

    math = subjects(api)["math"]

    assert (math["q1"], math["median"], math["q3"]) == (1.75, 2.5, 4.75)


def test_zero_is_a_mark_and_a_missing_mark_is_not(api: TestClient) -> None:
    store_students(api, [student("S1", {"math": 0}), student("S2", {"art": 50}), student("S3", {})])

    read = ask(api)

    assert read["students"] == 3
    math = subjects(api)["math"]
    assert (math["n"], math["missing"], math["min"], math["standard_deviation"]) == (1, 2, 0, None)


def test_a_deleted_student_is_not_counted(api: TestClient) -> None:
    store_math_marks(api, 10, 90)
    assert api.delete("/students/S2").status_code == 204

    read = ask(api, by="branch")

    assert read["students"] == 1
    assert read["subjects"][0]["max"] == 10
    assert read["subjects"][0]["branches"][0]["n"] == 1


def test_only_the_requested_branches_and_subjects_are_included(api: TestClient) -> None:
    store_students(
        api,
        [
            student("S1", {"math": 10, "art": 1}, "A"),
            student("S2", {"math": 20}, "B"),
            student("S3", {"math": 90, "latin": 5}, "C"),
        ],
    )

    read = ask(api, branch=["A", "B"], subject=["math", "math"])
    assert (read["students"], [one["subject"] for one in read["subjects"]]) == (2, ["math"])
    assert read["subjects"][0]["mean"] == 15
    assert set(subjects(api, branch="A")) == {"art", "math"}, "a subject without marks in the branch is left out"


def test_a_subject_without_marks_is_empty_and_not_an_error(api: TestClient) -> None:
    store_math_marks(api, 1)

    read = subjects(api, subject="alchemy", by="branch")["alchemy"]

    assert (read["n"], read["missing"], read["mean"], read["pass_rate"]) == (0, 1, None, None)
    assert read["branches"][0]["n"] == 0


def test_a_school_without_students_has_no_statistics(api: TestClient) -> None:
    assert ask(api)["students"] == 0
    assert ask(api, by="branch", branch="Nowhere")["subjects"] == []


@pytest.mark.parametrize(
    ("pass_mark", "passed"), [("50", 2), ("50.005", 1), ("50.01", 1), ("0", 3), ("1e-300", 3), ("100", 0)]
)
def test_a_mark_equal_to_the_pass_mark_passes(api: TestClient, pass_mark: str, passed: int) -> None:
    store_math_marks(api, 49.99, 50, 50.01)

    math = subjects(api, pass_mark=pass_mark)["math"]

    assert (math["passed"], math["pass_rate"]) == (passed, passed / 3)


def test_bins_end_at_the_highest_mark_and_the_pass_mark_is_40_percent_of_it(open_client: AppClient) -> None:
    api = sign_in(open_client(marks_max=20))
    store_math_marks(api, 7.99, 8, 20)

    read = ask(api)

    assert read["bins"] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20]
    assert (read["pass_mark"], read["subjects"][0]["passed"]) == (8, 2)
    assert read["subjects"][0]["histogram"] == [0, 0, 0, 1, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ("colour=red", "colour"),
        ("by=name", "by"),
        ("pass_mark=101", "pass_mark"),
        ("pass_mark=-1", "pass_mark"),
        ("pass_mark=NaN", "pass_mark"),
        ("pass_mark=inf", "pass_mark"),
        ("subject=a.b", "subject"),
        ("subject=%24where", "subject"),
        ("branch=", "branch"),
        ("branch=%00", "branch"),
        ("&".join(["branch=x"] * 101), "branch"),
    ],
)
def test_a_bad_parameter_is_named(api: TestClient, parameters: str, named: str) -> None:
    answer = api.get(f"/statistics?{parameters}")

    assert answer.status_code == 422
    assert {error["parameter"] for error in answer.json()["errors"]} == {named}


@pytest.mark.parametrize("subject", ["a b", "Ünïcode", "'\"", "x/y", "0", "_id", "n", "students", "a$b", "<b>"])
def test_a_subject_of_any_name_is_counted(api: TestClient, subject: str) -> None:
    store_students(api, [student("S1", {subject: 42})])

    assert subjects(api, by="branch")[subject]["mean"] == 42
    assert subjects(api, subject=subject)[subject]["mean"] == 42


@pytest.mark.parametrize("path", ["/statistics", "/statistics.svg", "/rankings", "/report-cards/S1"])
def test_requests_without_a_token_are_401(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401
