"""Rankings and statistics as CSV and XLSX files."""

from io import BytesIO

import pytest
from fastapi.testclient import TestClient
from python_calamine import CalamineWorkbook

from modules.analytics import rankings
from tests.analytics.classroom import store_math_marks, store_students, student
from tests.transfers.helpers import read_table

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def school(client: TestClient) -> None:
    others = [student("S2", {"math": 90}, branch="Art"), student("S3", {"math": 70.5}, name="=Bo")]
    store_students(
        client,
        [student("S1", {"math": 70.5, "art": 20}), *others, student("S4", {"math": 20}), student("S5", {"art": 20})],
    )


def csv_rows(client: TestClient, address: str) -> list[list[str]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return read_table(answer.content.decode("utf-8-sig"))


@pytest.mark.parametrize("at_once", [1, 2, 3, 1_000])
@pytest.mark.parametrize("query", ["by=math", "by=total", "by=average&branch=Physics", "by=art", "by=math&branch=None"])
def test_a_file_has_the_whole_ranking(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, at_once: int, query: str
) -> None:
    school(api)
    monkeypatch.setattr(rankings, "WALKED_AT_ONCE", at_once)
    listed = api.get(f"/rankings?{query}")

    file = api.get(f"/rankings?{query}&format=csv&limit=1")

    header, *rows = read_table(file.content.decode("utf-8-sig"))
    assert header == ["rank", "roll_no", "name", "branch", "value"]
    assert [[row[0], row[1], row[3], row[4]] for row in rows] == [
        [str(one["rank"]), one["roll_no"], one["branch"], str(one["value"])] for one in listed.json()
    ]
    assert file.headers["Unranked-Count"] == listed.headers["Unranked-Count"]
    assert file.headers["Content-Disposition"] == 'attachment; filename="rankings.csv"'


def test_a_ranking_is_a_workbook_with_numbers(api: TestClient) -> None:
    school(api)

    answer = api.get("/rankings?by=math", headers={"Accept": XLSX})

    assert answer.headers["Content-Type"] == XLSX
    with CalamineWorkbook.from_filelike(BytesIO(answer.content)) as book:
        assert book.get_sheet_by_name("rankings").to_python() == [
            ["rank", "roll_no", "name", "branch", "value"],
            [1, "S2", "Name of S2", "Art", 90],
            [2, "S1", "Name of S1", "Physics", 70.5],
            [2, "S3", "=Bo", "Physics", 70.5],
            [4, "S4", "Name of S4", "Physics", 20],
        ]


def test_a_ranking_in_a_csv_file_has_the_style_of_a_locale(api: TestClient) -> None:
    school(api)

    content = api.get("/rankings", params={"by": "math", "format": "csv", "separator": ";", "decimal": ","}).content

    assert b"2;S3;'=Bo;Physics;70,5\r\n" in content


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.8"])
def test_json_remains_the_default(api: TestClient, accept: str) -> None:
    store_math_marks(api, 5)

    for address in ("/rankings", "/statistics"):
        assert api.get(address, headers={"Accept": accept}).headers["Content-Type"] == "application/json"


def test_statistics_are_a_table_of_subjects(api: TestClient) -> None:
    school(api)
    figures = {one["subject"]: one for one in api.get("/statistics").json()["subjects"]}

    header, *rows = csv_rows(api, "/statistics?format=csv")

    assert header == [name for name in figures["math"] if name not in ("histogram", "branches")]
    assert rows == [[str(figures[subject][name]) for name in header] for subject in ("art", "math")]


def test_statistics_by_branch_are_a_table_of_branches(api: TestClient) -> None:
    school(api)

    header, *rows = csv_rows(api, "/statistics?format=csv&by=branch&subject=math")

    assert header[:4] == ["subject", "branch", "n", "missing"]
    assert [row[:4] for row in rows] == [["math", "Art", "1", "0"], ["math", "Physics", "3", "1"]]
    assert rows[0][header.index("standard_deviation")] == ""
