"""GET /rankings, over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.students import StudentDocument
from modules.students.listing import pages
from tests.analytics.classroom import store_math_marks, store_students, student

Rows = list[dict[str, Any]]


def ranking(client: TestClient, **parameters: Any) -> Rows:
    answer = client.get("/rankings", params=parameters)
    assert answer.status_code == 200, answer.text
    rows: Rows = answer.json()
    return rows


def ranks_of(rows: Rows) -> list[tuple[int, str]]:
    return [(row["rank"], row["roll_no"]) for row in rows]


def walk(client: TestClient, relation: str, address: str) -> list[Rows]:
    """Return the page at an address, and all pages that its links of this relation lead to."""
    pages = []
    following: str | None = address
    while following:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        following = answer.links[relation]["url"] if relation in answer.links else None
        last = answer
    walk.last = last.request.url  # type: ignore[attr-defined]
    return pages


def test_equal_students_share_a_rank_and_the_next_ranks_are_skipped(api: TestClient) -> None:
    store_math_marks(api, 70, 90, 80, 80)

    rows = ranking(api, by="math")

    assert ranks_of(rows) == [(1, "S2"), (2, "S3"), (2, "S4"), (4, "S1")]
    assert [row["tied"] for row in rows] == [False, True, True, False]
    assert rows[0] == {
        "rank": 1, "tied": False, "roll_no": "S2", "name": "Name of S2", "branch": "Physics", "value": 90
    }  # fmt: skip


def test_sums_are_exact_decimals(api: TestClient) -> None:
    store_students(api, [student("S1", {"a": 0.1, "b": 0.2}), student("S2", {"a": 0.3}), student("S3", {"a": 0.29})])

    rows = ranking(api)

    assert ranks_of(rows) == [(1, "S1"), (1, "S2"), (3, "S3")]
    assert [row["value"] for row in rows] == [0.3, 0.3, 0.29]


def test_an_average_ignores_missing_marks(api: TestClient) -> None:
    store_students(
        api,
        [
            student("S1", {"a": 10, "b": 20}),
            student("S2", {"a": 15}),
            student("S3", {"a": 10, "b": 10, "c": 11}),
            student("S4", {}),
        ],
    )

    rows = ranking(api, by="average")

    assert ranks_of(rows) == [(1, "S1"), (1, "S2"), (3, "S3")]
    assert [row["value"] for row in rows] == [15, 15, pytest.approx(31 / 3)]


@pytest.mark.parametrize(
    ("parameters", "unranked"),
    [
        ({}, 1),
        ({"by": "average"}, 1),
        ({"by": "math"}, 2),
        ({"by": "alchemy"}, 4),
        ({"by": "math", "branch": "Physics"}, 1),
        ({"by": "total", "branch": "Physics"}, 0),
        ({"by": "total", "branch": "Nowhere"}, 0),
    ],
)
def test_students_without_a_mark_have_no_rank_and_are_counted(
    api: TestClient, parameters: dict[str, str], unranked: int
) -> None:
    everyone = {"S1": {"math": 0}, "S2": {"art": 50}, "S3": {}, "S4": {"math": 5}, "S5": {"math": 9}}
    store_students(
        api, [student(roll_no, marks, "Arts" if roll_no == "S3" else "Physics") for roll_no, marks in everyone.items()]
    )
    api.delete("/students/S5")

    answer = api.get("/rankings", params=parameters)

    assert answer.headers["unranked-count"] == str(unranked)
    of = 3 if "branch" in parameters else 4
    assert len(answer.json()) == (of - unranked if parameters.get("branch") != "Nowhere" else 0)


def test_unranked_students_are_counted_even_with_too_many_sets_of_subjects(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_students(
        api, [student("S1", {"math": 0}), student("S2", {"art": 50}), student("S3", {}), student("S4", {"b": 5})]
    )
    monkeypatch.setattr(pages, "MAX_SETS_BYTES", 1)

    assert api.get("/rankings?by=math").headers["unranked-count"] == "3"


@pytest.mark.parametrize("by", ["math", "total", "average"])
def test_a_deleted_student_has_no_rank_and_is_not_counted(api: TestClient, by: str) -> None:
    store_math_marks(api, 90, 80, 80, 70)
    for roll_no in ("S1", "S3"):
        assert api.delete(f"/students/{roll_no}").status_code == 204

    rows = ranking(api, by=by)

    assert ranks_of(rows) == [(1, "S2"), (2, "S4")]
    assert [row["tied"] for row in rows] == [False, False]


def test_a_ranking_of_branches_contains_only_their_students(api: TestClient) -> None:
    store_students(api, [student(f"S{n}", {"math": n // 2}, f"B{n % 3}") for n in range(9)])

    assert ranks_of(ranking(api, by="math", branch=["B0", "B1"])) == [
        (1, "S6"), (1, "S7"), (3, "S4"), (4, "S3"), (5, "S0"), (5, "S1")
    ]  # fmt: skip


@pytest.mark.parametrize("subject", ["total", "average"])
def test_a_subject_named_like_a_sum_has_the_prefix_marks(api: TestClient, subject: str) -> None:
    store_students(api, [student("S1", {subject: 5, "math": 90}), student("S2", {subject: 6})])

    assert ranks_of(ranking(api, by=f"marks.{subject}")) == [(1, "S2"), (2, "S1")]
    assert ranks_of(ranking(api, by=subject)) == ([(1, "S1"), (2, "S2")])


def test_a_tie_is_reported_across_pages(api: TestClient) -> None:
    store_math_marks(api, 5, 5, 5, 4, 3, 3)

    pages = walk(api, "next", "/rankings?by=math&limit=2")

    assert [[(row["rank"], row["tied"]) for row in page] for page in pages] == [
        [(1, True), (1, True)],
        [(1, True), (4, False)],
        [(5, True), (5, True)],
    ]


CLASS = st.lists(
    st.tuples(
        st.sampled_from(["Arts", "Physics"]),
        st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([0, 0.1, 0.2, 0.3, 1, 1.0, 99.99, 100])),
        st.booleans(),
    ),
    max_size=14,
)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CLASS, st.sampled_from(["total", "average", "a"]), st.sampled_from([None, "Arts"]), st.integers(1, 5))
def test_random_rankings_paged_in_both_directions_equal_a_sorted_list(
    api: TestClient,
    people: list[tuple[str, dict[str, float], bool]],
    by: str,
    branch: str | None,
    limit: int,
) -> None:
    students = [student(f"S{number:02}", marks, branch) for number, (branch, marks, _) in enumerate(people)]
    live = [one if stays else one.deleted("alice") for one, (_, _, stays) in zip(students, people, strict=True)]
    store_students(api, live)
    expected = expected_ranking([one for one in live if one.deleted_at is None and branch in (None, one.branch)], by)

    address = f"/rankings?by={by}&limit={limit}" + (f"&branch={branch}" if branch else "")
    forwards = walk(api, "next", address)
    backwards = walk(api, "prev", str(walk.last))  # type: ignore[attr-defined]

    assert [(row["rank"], row["tied"], row["roll_no"]) for page in forwards for row in page] == expected
    assert [page for page in reversed(backwards) if page] == [page for page in forwards if page]


def expected_ranking(students: list[StudentDocument], by: str) -> list[tuple[int, bool, str]]:
    values = {one.roll_no: value(one, by) for one in students}
    ranked = sorted((-number, roll_no) for roll_no, number in values.items() if number is not None)
    numbers = [number for number, _ in ranked]
    return [(1 + sum(n < number for n in numbers), numbers.count(number) > 1, roll_no) for number, roll_no in ranked]


def value(one: StudentDocument, by: str) -> float | None:
    hundredths = [round(mark * 100) for mark in one.marks.values()]
    if by == "a":
        return one.marks.get("a")
    if not hundredths:
        return None
    return sum(hundredths) / (len(hundredths) if by == "average" else 1)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"by": ""}, "by"),
        ({"by": "a.b"}, "by"),
        ({"by": "marks."}, "by"),
        ({"by": "marks.$where"}, "by"),
        ({"by": "\0"}, "by"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"branch": " "}, "branch"),
        ({"cursor": "made-up"}, "cursor"),
    ],
)
def test_a_bad_parameter_is_named(api: TestClient, parameters: dict[str, Any], named: str) -> None:
    answer = api.get("/rankings", params=parameters)

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [named]


@pytest.mark.parametrize("other", ["by=total", "by=math&branch=Physics", "by=art"])
def test_a_cursor_is_valid_only_for_its_ranking(api: TestClient, other: str) -> None:
    store_math_marks(api, 1, 2, 3)
    link = api.get("/rankings?by=math&limit=1").links["next"]["url"]

    assert api.get(link.replace("by=math", other)).status_code == 404
    assert api.get(link).status_code == 200
