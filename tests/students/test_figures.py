"""Totals and averages of marks with different maxima, in cases that can be checked by hand, and how they are stored."""

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction

import pytest
from fastapi.testclient import TestClient

from modules.students import MarkFigures, SubjectCatalog, stored_figures
from modules.students.figures import Marks
from tests.analytics.classroom import declare, store_students, student
from tests.conftest import AppClient, sign_in
from tests.kit import stored, without_jobs
from tests.processes import until

MAXIMA = {"quiz": 10, "project": 30, "essay": 0.3}
FIGURES = MarkFigures(SubjectCatalog(maxima=MAXIMA, uncounted=frozenset({"conduct"})))


@pytest.mark.parametrize(
    ("marks", "total", "out_of", "average"),
    [
        ({}, None, 0, None),
        ({"math": 0}, 0, 100, 0),
        ({"math": 91, "physics": 78.5}, 169.5, 200, Fraction("84.75")),
        ({"quiz": 8}, 8, 10, 80),
        ({"math": 80, "quiz": 8}, 88, 110, 80),  # each subject weighs the same
        ({"math": 60, "quiz": 10}, 70, 110, 80),
        ({"math": 60}, 60, 100, 60),  # a quiz without a mark is not taken for zero
        ({"math": 60, "quiz": 0}, 60, 110, 30),
        ({"project": 7}, 7, 30, Fraction(70, 3)),  # 23.33…, and not rounded
        ({"project": 10, "quiz": 0, "math": 0}, 10, 140, Fraction(100, 9)),
        ({"essay": 0.1}, 0.1, 0.3, Fraction(100, 3)),  # a third, although 0.1 / 0.3 is none in binary floats
        ({"math": 50, "conduct": 100}, 50, 100, 50),
        ({"conduct": 100}, None, 0, None),
    ],
)
def test_marks_make_a_total_and_an_average(marks: Marks, total: float | None, out_of: float, average: object) -> None:
    hundredths = FIGURES.total(marks)

    assert (hundredths if hundredths is None else hundredths / 100) == total
    assert FIGURES.highest_total(marks) == out_of
    assert FIGURES.average(marks) == average


@pytest.mark.parametrize("marks", [{"a": 0.1, "b": 0.2, "c": 0.25}, {"a": 33.33, "b": 1}, {"a": 100}])
def test_a_maximum_that_no_mark_has_changes_no_stored_figure(marks: Mapping[str, float]) -> None:
    hundredths = sum(round(mark * 100) for mark in marks.values())

    for figures in (MarkFigures(), FIGURES):
        assert figures.stored(marks) == (hundredths, hundredths / len(marks))


def run_job(client: TestClient) -> None:
    assert client.portal
    client.portal.call(stored_figures.update_figures)


def test_stored_figures_follow_the_declarations(open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in(open_client(modules=without_jobs()))
    store_students(client, [student("S1", {"math": 60, "quiz": 9}), student("S2", {"quiz": 9.5}), student("S3", {})])
    monkeypatch.setattr(stored_figures, "_BATCH", 1)
    before = stored("students")

    def become(*figures: tuple[float | None, float | None]) -> None:
        run_job(client)  # does nothing while the job of another app that this process has open is running
        until(lambda: [(one["keys"]["total"], one["keys"]["average"]) for one in stored("students")] == [*figures])

    become((6900, 3450), (950, 950), (None, None))
    declare(client, "quiz", max=10)
    become((6900, 7500), (950, 9500), (None, None))
    declare(client, "quiz", max=20, counts_in_total=False)
    become((6000, 6000), (None, None), (None, None))
    declare(client, "quiz")
    become((6900, 3450), (950, 950), (None, None))
    assert stored("students") == before
    declare(client, "project", max=30)
    run_job(client)
    until(lambda: stored("student_figures")[0]["pending"] == ["project", "quiz"])  # both are gone through once more


def test_figures_that_another_process_stores_late_are_corrected(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in(open_client(modules=without_jobs()))
    monkeypatch.setattr(stored_figures, "PROPAGATION_TIME", timedelta(hours=1))
    declare(client, "quiz", max=10)
    run_job(client)
    until(lambda: stored("student_figures"))
    body = {"roll_no": "S1", "name": "Asha", "branch": "8A", "marks": {"quiz": 9}}
    with monkeypatch.context() as patch:
        patch.setattr(MarkFigures, "is_plain", True)  # as in a process that does not know of the maximum yet
        assert client.post("/students", json=body).status_code == 201

    run_job(client)
    assert stored("students")[0]["keys"]["average"] == 900
    monkeypatch.setattr(stored_figures, "PROPAGATION_TIME", timedelta(0))
    run_job(client)
    until(lambda: [one["pending"] for one in stored("student_figures")] == [[]])
    assert stored("students")[0]["keys"]["average"] == 9000


def test_each_write_stores_the_figures_of_the_maxima(open_client: AppClient) -> None:
    client = sign_in(open_client(modules=without_jobs()))
    declare(client, "quiz", max=10)
    body = {"roll_no": "S1", "name": "Asha", "branch": "8A", "marks": {"quiz": 9}}
    assert client.post("/students", json=body).status_code == 201
    kept = [stored("students")[0]["keys"]["average"]]

    for method, path, sent in (
        ("PUT", "/students/S1/marks/math", {"mark": 50}),
        ("POST", "/students/S1/rename", {"roll_no": "S2"}),
        ("DELETE", "/students/S2", None),
        ("POST", "/students/S2/restore", None),
        ("PATCH", "/students/S2", {"marks": {"math": None}}),
    ):
        assert client.request(method, path, json=sent).is_success
        kept.append(stored("students")[0]["keys"]["average"])

    assert kept == [9000, 7000, 7000, None, 7000, 9000]
