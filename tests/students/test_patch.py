"""Changing part of a student: JSON merge patches (RFC 7396)."""

import itertools
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st

JSON = dict[str, Any]

ASHA: JSON = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91, "art": 60.5}}
MERGE_PATCH = "application/merge-patch+json"


def create(client: TestClient, **changes: Any) -> None:
    assert client.post("/students", json=ASHA | changes).status_code == 201


def patch(client: TestClient, change: object, media_type: str = MERGE_PATCH, roll_no: str = "S1") -> Response:
    headers = {"Content-Type": media_type}
    return client.patch(f"/students/{roll_no}", content=json.dumps(change).encode(), headers=headers)


def content(client: TestClient, roll_no: str = "S1") -> JSON:
    """Return the student without the times."""
    read = client.get(f"/students/{roll_no}").json()
    return {name: read[name] for name in ASHA}


def versions(client: TestClient, roll_no: str = "S1") -> list[int]:
    return [one["version"] for one in client.get(f"/students/{roll_no}/history").json()]


CHANGES: list[tuple[JSON, JSON]] = [
    ({"name": "Asha R."}, {"name": "Asha R."}),
    ({"branch": " Art "}, {"branch": "Art"}),
    ({"marks": {"pe": 5}}, {"marks": {"math": 91, "art": 60.5, "pe": 5}}),
    ({"marks": {"math": 0}}, {"marks": {"math": 0, "art": 60.5}}),
    ({"marks": {"math": None}}, {"marks": {"art": 60.5}}),
    ({"marks": {" math ": None, "art": None}}, {"marks": {}}),
    ({"name": "X", "marks": {"math": None, "pe": 1}}, {"name": "X", "marks": {"art": 60.5, "pe": 1}}),
    ({"roll_no": "6", "branch": "X"}, {"branch": "X"}),
]


@pytest.mark.parametrize("media_type", [MERGE_PATCH, "application/json", f"{MERGE_PATCH}; charset=utf-8"])
def test_a_patch_changes_what_it_names_and_nothing_else(client: TestClient, media_type: str) -> None:
    for number, (change, expected) in enumerate(CHANGES):
        roll_no = str(change.get("roll_no", f"S{number}"))
        create(client, roll_no=roll_no)

        answer = patch(client, change, media_type, roll_no)

        assert answer.status_code == 200, answer.text
        assert content(client, roll_no) == ASHA | {"roll_no": roll_no} | expected
        assert answer.json() == client.get(f"/students/{roll_no}").json()
        assert versions(client, roll_no) == [2, 1]


def test_a_patch_that_changes_nothing_makes_no_version(either: TestClient) -> None:
    create(either)
    before = either.get("/students/S1")

    changes: list[JSON] = [{}, {"marks": {}}, {"roll_no": "S1"}, {"marks": {"not there": None}}]
    for change in changes:
        answer = patch(either, change)
        assert answer.status_code == 200
        assert (answer.json(), answer.headers["etag"]) == (before.json(), before.headers["etag"])

    assert versions(either) == [1]


OTHER_ROLL_NO = {"roll_no": "S2", "name": "X"}
WRONG: list[tuple[object, str]] = [
    (OTHER_ROLL_NO, "#/roll_no"),
    *[({field: None}, f"#/{field}") for field in ("name", "branch", "marks", "roll_no")],
    *[({"branch": "Art", field: 5}, f"#/{field}") for field in ("name", "marks", "roll_no")],
    ({"name": ""}, "#/name"),
    ({"roll_no": "a b", "name": "X"}, "#/roll_no"),
    ({"name": "X", "grade": "A"}, "#/grade"),
    ({"name": "X", "version": 7}, "#/version"),
    ({"name": "X", "marks": {"math": 101}}, "#/marks/math"),
    ({"name": "X", "marks": {"math": "91"}}, "#/marks/math"),
    ({"name": "X", "marks": {"math": {}}}, "#/marks/math"),
    ({"name": "X", "marks": {"a.b": None}}, "#/marks/a.b"),
    ({"name": "X", "marks": {"pe": 1, " pe": 2}}, "#/marks"),
    ({"name": "X", "marks": {f"s{number}": 1 for number in range(99)}}, "#/marks"),
    ({"name": "X", "marks": {f"s{number}": 1 for number in range(101)}}, "#/marks"),
    ([], "#"),
    ([{"op": "replace", "path": "/name", "value": "X"}], "#"),
    ("X", "#"),
    (None, "#"),
]


def test_an_invalid_value_is_named_and_nothing_is_written(client: TestClient) -> None:
    create(client)
    tag = client.get("/students/S1").headers["etag"]

    for change, pointer in WRONG:
        answer = patch(client, change)

        assert answer.status_code == (409 if change == OTHER_ROLL_NO else 422), (change, answer.text)
        assert [error.get("pointer") for error in answer.json()["errors"]] == [pointer], change
        assert content(client) == ASHA
        assert client.get("/students/S1").headers["etag"] == tag
    assert versions(client) == [1]


def test_a_patch_may_add_a_subject_up_to_a_total_of_a_hundred(either: TestClient) -> None:
    create(either, marks={f"s{number}": 1 for number in range(99)})

    assert patch(either, {"marks": {"math": 5}}).status_code == 200
    assert patch(either, {"marks": {"art": 5}}).status_code == 422
    assert patch(either, {"marks": {"art": 5, "s0": None}}).status_code == 200

    assert len(content(either)["marks"]) == 100
    assert versions(either) == [3, 2, 1]


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/vnd.patch+json", ""])
def test_another_media_type_is_refused(client: TestClient, media_type: str) -> None:
    create(client)

    answer = patch(client, {"name": "X"}, media_type)

    assert answer.status_code == (415 if media_type else 422)
    assert content(client) == ASHA


def test_an_absent_or_deleted_student_cannot_be_patched(client: TestClient) -> None:
    create(client)
    client.delete("/students/S1")

    assert patch(client, {"name": "X"}).status_code == 404
    assert patch(client, {"name": "X"}, roll_no="S2").status_code == 404
    assert versions(client) == [2, 1]


def merged(target: object, change: object) -> object:
    """Apply a merge patch by the algorithm of RFC 7396, section 2."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


LINES = st.sampled_from(["Asha", "Zoë Łuk", "अमित", "O'Neil", "x" * 200])
SUBJECTS = st.sampled_from(["math", "art", "a/b", "a b", "1", "é", "pe"])
MARKS = st.none() | st.integers(0, 100) | st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
PATCHES = st.fixed_dictionaries(
    {}, optional={"name": LINES, "branch": LINES, "marks": st.dictionaries(SUBJECTS, MARKS, max_size=4)}
)


def test_random_patches_do_what_rfc_7396_says(client: TestClient) -> None:
    numbers = itertools.count()

    @settings(derandomize=True, deadline=None, max_examples=30, database=None)
    @given(st.lists(PATCHES, min_size=1, max_size=6))
    def check(patches: list[JSON]) -> None:
        roll_no = f"S{next(numbers)}"
        create(client, roll_no=roll_no)
        states: list[object] = [ASHA | {"roll_no": roll_no}]
        for change in patches:
            assert patch(client, change, roll_no=roll_no).status_code == 200
            expected = merged(states[-1], change)
            assert content(client, roll_no) == expected
            if expected != states[-1]:
                states.append(expected)
        history = client.get(f"/students/{roll_no}/history").json()
        kept = [client.get(f"/students/{roll_no}/history/{one['version']}").json()["student"] for one in history]
        assert [{name: one[name] for name in ASHA} for one in kept[::-1]] == states

    check()
