"""Limits of statistics: the rows of one response, the subjects of one pass, and the number of waiting queries."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from modules.analytics import mark_counts, query_concurrency, service
from tests.analytics.classroom import store_math_marks, store_students, student
from tests.analytics.test_statistics import ask


def test_too_many_rows_are_refused_with_the_limit(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MAX_ROWS", 3)
    store_students(api, [student(f"S{number}", {"art": 1, "math": 2}, f"Branch {number}") for number in range(2)])

    refused = api.get("/statistics?by=branch")

    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["parameter"], "3" in error["detail"]) == ("by", True)
    assert api.get("/statistics?by=branch&subject=art").status_code == 200
    assert api.get("/statistics").status_code == 200


def test_more_subjects_than_fit_into_one_pass_are_counted_in_several_passes(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_students(api, [student(f"S{number}", {f"subject {number}": number, "all": 1}, "x") for number in range(7)])
    expected = ask(api, by="branch")
    monkeypatch.setattr(mark_counts, "SUBJECTS_AT_ONCE", 3)

    assert ask(api, by="branch") == expected
    assert len(expected["subjects"]) == 8


def test_counts_that_exceed_one_pass_are_made_subject_by_subject(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_students(api, [student(f"S{n}", {"math": n, "art": n / 4} if n % 3 else {}, f"B{n % 2}") for n in range(40)])
    expected = [ask(api), ask(api, by="branch"), ask(api, branch="B1")]
    assert api.portal
    admin = api.app.state.database._client.admin  # type: ignore[attr-defined]  # the ASGI app behind the client

    def limit(size: int) -> None:
        assert api.portal
        api.portal.call(lambda: admin.command("setParameter", 1, internalQueryFacetMaxOutputDocSizeBytes=size))

    passes: list[object] = []
    original = mark_counts._one_by_one

    async def one_by_one(*arguments: Any) -> Any:
        passes.append(arguments)
        return await original(*arguments)

    monkeypatch.setattr(mark_counts, "_one_by_one", one_by_one)
    limit(100)
    try:
        assert [ask(api), ask(api, by="branch"), ask(api, branch="B1")] == expected
    finally:
        limit(100 * 1024 * 1024)
    assert len(passes) == 3


def test_other_database_errors_are_not_retried(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    store_math_marks(api, 1)
    monkeypatch.setattr(mark_counts, "_marks_of", lambda *_: [{"$nonsense": 1}])

    assert api.get("/statistics").status_code == 500


def test_who_comes_when_too_many_wait_is_asked_to_come_later(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_concurrency, "MAX_WAITING", 0)

    answer = api.get("/statistics")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == str(query_concurrency.TIMEOUT_SECONDS)
