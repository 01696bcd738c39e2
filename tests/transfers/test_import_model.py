"""Imports compared with a simple model of their effect, and imports with concurrent writers."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from tests.transfers.helpers import JSON, NDJSON, add, counts, imported, lines, send, students, table

ROLLS = [f"S{number}" for number in range(6)]
SUBJECTS = ["math", "art"]
MARK = st.sampled_from([0, 7, 50.5, 100])
STUDENT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["Asha", "Zoë"]),
        "branch": st.sampled_from(["Physics", "Art"]),
        "marks": st.dictionaries(st.sampled_from(SUBJECTS), MARK),
    }
)
ROW = st.tuples(
    st.sampled_from(ROLLS),
    st.sampled_from(["Asha", "Zoë", ""]),
    st.sampled_from(["Physics", "Art", ""]),
    st.one_of(st.just(""), MARK, st.just("bad")),
    st.one_of(st.just(""), MARK),
)


def model(before: dict[str, JSON], rows: list[tuple[object, ...]], options: dict[str, str]) -> tuple[JSON, list[int]]:
    """Return the expected students after an import, and the counts of created, updated, unchanged and failed rows."""
    after = {roll_no: {**one, "marks": dict(one["marks"])} for roll_no, one in before.items()}
    created = updated = unchanged = failed = 0
    seen = set[object]()
    for roll_no, name, branch, *marks in rows:
        exists, duplicate = str(roll_no) in before, roll_no in seen
        seen.add(roll_no)
        wrong_mode = {"insert": exists, "update": not exists, "upsert": False}[options["mode"]]
        if duplicate or wrong_mode or "bad" in marks or not (exists or (name and branch)):
            failed += 1
            continue
        old = before.get(str(roll_no), {"name": "", "branch": "", "marks": {}})
        kept = {
            subject: mark
            for subject, mark in old["marks"].items()
            if options["blank"] == "keep" or marks[SUBJECTS.index(subject)] != ""
        }
        given_marks = {subject: mark for subject, mark in zip(SUBJECTS, marks, strict=True) if mark != ""}
        new = {"name": name or old["name"], "branch": branch or old["branch"], "marks": kept | given_marks}
        after[str(roll_no)] = new
        created, updated, unchanged = (
            created + (not exists),
            updated + (exists and new != old),
            unchanged + (new == old),
        )
    return after, [created, updated, unchanged, failed]


@settings(
    max_examples=13,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.dictionaries(st.sampled_from(ROLLS), STUDENT, max_size=5),
    rows=st.lists(ROW, max_size=8),
    options=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["insert", "upsert", "update"]),
            "blank": st.sampled_from(["keep", "remove"]),
            "on_error": st.sampled_from(["reject", "skip"]),
        }
    ),
)
def test_an_import_matches_the_model(
    teacher: TestClient,
    database: Database[JSON],
    before: dict[str, JSON],
    rows: list[tuple[object, ...]],
    options: dict[str, Any],
) -> None:
    for name in ("students", "student_history", "student_changes"):
        database[name].delete_many({})
    imported(teacher, lines([{"roll_no": roll_no, **one} for roll_no, one in before.items()]), NDJSON)
    after, expected = model(before, rows, options)
    text = table([["roll_no", "name", "branch", *SUBJECTS], *rows])

    dry = send(teacher, text, dry_run="true", columns="math:marks,art:marks", **options)
    answer = send(teacher, text, columns="math:marks,art:marks", **options)

    assert (dry.status_code, dry.json()["state"]) == (answer.status_code, answer.json()["state"])
    assert list(counts(dry.json())) == [len(rows), *expected]
    if expected[-1] and options["on_error"] == "reject":
        assert answer.status_code == 422
        assert students(teacher) == before
    else:
        assert list(counts(answer.json())) == [len(rows), *expected]
        assert students(teacher) == after
        assert teacher.post(f"/imports/{answer.json()['id']}/undo").json()["kept_count"] == 0
        assert students(teacher) == before


@pytest.mark.parametrize("on_error", ["reject", "skip"])
def test_concurrent_writes_during_an_import_are_not_lost(teacher: TestClient, on_error: str) -> None:
    rolls = [f"S{number:03}" for number in range(60)]
    for roll_no in rolls[:30]:
        add(teacher, roll_no, "Before")
    text = table([["roll_no", "name", "branch", "math"], *([roll_no, "After", "Physics", 50] for roll_no in rolls)])

    def give_marks(subject: str) -> dict[str, int]:
        given: dict[str, int] = {}
        for number, roll_no in enumerate(rolls):
            path = f"/students/{roll_no}/marks/{subject}"
            if teacher.put(path, json={"mark": number}).status_code in (200, 201):
                given[roll_no] = number
        return given

    with ThreadPoolExecutor(4) as pool:
        marks = {subject: pool.submit(give_marks, subject) for subject in ("art", "music")}
        report = pool.submit(imported, teacher, text, on_error=on_error, columns="math:marks").result()

    assert (report["state"], report["failed"], report["rows"]) == ("done", 0, 60)
    found = students(teacher)
    assert set(found) == set(rolls)
    assert all((one["name"], one["marks"]["math"]) == ("After", 50) for one in found.values())
    for subject, writer in marks.items():
        assert {
            roll_no: one["marks"][subject] for roll_no, one in found.items() if subject in one["marks"]
        } == writer.result()
    for roll_no in rolls:
        history = teacher.get(f"/students/{roll_no}/history").json()
        assert [one["source"] for one in history].count(f"import {report['id']}") == 1


def test_concurrent_imports_each_count_their_own_writes(teacher: TestClient) -> None:
    rows = [[f"S{number}", "Asha", "Physics"] for number in range(300)]
    text = table([["roll_no", "name", "branch"], *rows])

    with ThreadPoolExecutor(2) as pool:
        reports = [each.result() for each in [pool.submit(imported, teacher, text) for _ in range(2)]]

    assert sum(one["created"] for one in reports) == 300
    assert sum(one["unchanged"] for one in reports) == 300
    assert len(students(teacher)) == 300


def test_two_concurrent_requests_with_the_same_key_import_once(teacher: TestClient) -> None:
    text = table([["roll_no", "name", "branch"], *([f"S{number}", "A", "B"] for number in range(300))])

    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(send, teacher, text, headers={"Idempotency-Key": "once"}) for _ in range(2)]
        answers = [each.result() for each in sent]

    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(teacher.get("/imports").json()) == 1
