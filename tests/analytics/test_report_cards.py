"""GET /report-cards/{roll_no}, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.errors import StartupError
from core.settings import Settings
from modules.analytics.settings import AnalyticsSettings
from tests.analytics.classroom import store_math_marks, store_students, student
from tests.conftest import AppClient, sign_in


def card(client: TestClient, roll_no: str) -> dict[str, Any]:
    answer = client.get(f"/report-cards/{roll_no}")
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def test_a_report_card_contains_the_rank_of_each_mark(api: TestClient) -> None:
    store_students(
        api,
        [
            student("S1", {"math": 80, "art": 55}, "Physics", name="Asha Rao"),
            student("S2", {"math": 90}),
            student("S3", {"math": 80}, "Arts"),
            student("S4", {"math": 10, "art": 56}),
            student("S5", {}),
        ],
    )

    assert card(api, "S1") == {
        "roll_no": "S1",
        "name": "Asha Rao",
        "branch": "Physics",
        "subjects": [
            {"subject": "art", "mark": 55, "grade": "D", "rank": 2, "of": 2, "percentile": 25, "class_mean": 55.5},
            {"subject": "math", "mark": 80, "grade": "A", "rank": 2, "of": 4, "percentile": 50, "class_mean": 65},
        ],
        "total": {"value": 135, "rank": 1, "of": 4, "percentile": 87.5},
        "average": {"value": 67.5, "grade": "C", "rank": 3, "of": 4, "percentile": 37.5},
    }


def test_ranks_equal_those_of_the_rankings(api: TestClient) -> None:
    store_students(api, [student(f"S{n}", {"math": n * 7 % 5, "art": 0.1 * (n % 3)}) for n in range(12)])

    ranks = {by: api.get("/rankings", params={"by": by}).json() for by in ("math", "art", "total", "average")}

    for number in range(12):
        read = card(api, f"S{number}")
        own = {one["subject"]: one for one in read["subjects"]} | {by: read[by] for by in ("total", "average")}
        for by, rows in ranks.items():
            (row,) = [row for row in rows if row["roll_no"] == f"S{number}"]
            assert (own[by]["rank"], own[by]["of"]) == (row["rank"], 12)


def test_a_student_without_marks_has_an_empty_card(api: TestClient) -> None:
    store_students(api, [student("S1", {}), student("S2", {"math": 3})])

    read = card(api, "S1")

    assert (read["subjects"], read["total"], read["average"]) == ([], None, None)


def test_deleted_students_are_not_ranked(api: TestClient) -> None:
    store_math_marks(api, 90, 80, 70)
    assert api.delete("/students/S1").status_code == 204

    read = card(api, "S2")

    assert {key: read["subjects"][0][key] for key in ("rank", "of", "class_mean")} == {
        "rank": 1, "of": 2, "class_mean": 75
    }  # fmt: skip
    assert (read["total"]["rank"], read["total"]["of"], read["average"]["of"]) == (1, 2, 2)


@pytest.mark.parametrize("roll_no", ["S1", "unknown"])
def test_an_absent_student_has_no_card(api: TestClient, roll_no: str) -> None:
    store_math_marks(api, 90)
    api.delete("/students/S1")

    answer = api.get(f"/report-cards/{roll_no}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/student-not-found")


def test_a_malformed_roll_number_is_named(api: TestClient) -> None:
    answer = api.get("/report-cards/a%20b")

    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "roll_no")


@pytest.mark.parametrize(
    ("mark", "grade"), [(100, "A"), (80, "A"), (79.99, "B"), (70, "B"), (40, "E"), (39.99, "F"), (0, "F")]
)
def test_a_mark_equal_to_a_threshold_has_its_grade(api: TestClient, mark: float, grade: str) -> None:
    store_math_marks(api, mark)

    read = card(api, "S1")

    assert (read["subjects"][0]["grade"], read["average"]["grade"]) == (grade, grade)


def test_grades_are_a_setting_in_percent_of_the_highest_mark(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADES", "pass: 33.33, fail:0")
    api = sign_in(open_client(marks_max=30, grades=AnalyticsSettings().grades))
    store_math_marks(api, 10, 9.99)

    assert [card(api, roll_no)["subjects"][0]["grade"] for roll_no in ("S1", "S2")] == ["pass", "fail"]


def test_thresholds_are_compared_as_decimals_and_not_as_floats(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADES", "A:70.1,F:0")
    api = sign_in(open_client(grades=AnalyticsSettings().grades))
    store_math_marks(api, 70.1, 70.09)

    assert [card(api, roll_no)["subjects"][0]["grade"] for roll_no in ("S1", "S2")] == ["A", "F"]


@pytest.mark.parametrize(
    "grades",
    ["A", "A:80", "A:101,F:0", "A:5,B:6,F:0", "A:5,B:5,F:0", "A:50,A:0", "A:50,,F:0", "A:-1,F:0", ":5,F:0"],
)
def test_invalid_grades_prevent_the_start(monkeypatch: pytest.MonkeyPatch, grades: str) -> None:
    monkeypatch.setenv("GRADES", grades)

    with pytest.raises(StartupError, match="GRADES"):
        Settings().part(AnalyticsSettings)
