"""Writes in one batch: each has an outcome of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.clock import utc_now
from modules.students.models import Action, StudentSnapshot
from modules.students.records import store
from modules.students.records.write_batch import Outcome, Write, write_all

CONTENT: dict[str, Any] = {"name": "n", "branch": "b", "marks": {"math": 1}}

Call = Callable[..., Any]


@pytest.fixture
def call(either: TestClient) -> Call:
    """Return a function that calls the service in the service's event loop."""
    assert either.portal
    return either.portal.call


def create(client: TestClient, *roll_nos: str) -> None:
    for roll_no in roll_nos:
        assert client.post("/students", json=CONTENT | {"roll_no": roll_no}).status_code == 201


def history(client: TestClient, roll_no: str) -> list[tuple[int, str]]:
    return [(one["version"], one["action"]) for one in client.get(f"/students/{roll_no}/history").json()]


def test_each_of_many_writes_has_its_own_outcome(either: TestClient, call: Call) -> None:
    create(either, "changed", "renamed", "in the way".replace(" ", "-"))
    changed, renamed = call(store.get, "changed"), call(store.get, "renamed")
    writes = [
        Write(None, StudentSnapshot.new("alice", roll_no="new", **CONTENT)),
        Write(None, StudentSnapshot.new("alice", roll_no="new", **CONTENT)),
        Write(changed, changed.successor(Action.UPDATED, "alice", name="first")),
        Write(renamed, renamed.successor(Action.RENAMED, "alice", roll_no="in-the-way")),
        Write(changed, changed.successor(Action.UPDATED, "alice", name="second")),
        Write(None, StudentSnapshot.new("alice", roll_no="changed", **CONTENT)),
        Write(None, StudentSnapshot.new("alice", roll_no="newer", **CONTENT)),
    ]
    made, taken, outrun = Outcome.MADE, Outcome.TAKEN, Outcome.CONFLICT
    assert call(write_all, writes) == [made, taken, made, taken, outrun, taken, made]

    assert either.get("/students/changed").json()["name"] == "first"
    assert history(either, "changed") == [(2, "updated"), (1, "created")]
    assert history(either, "renamed") == [(1, "created")]
    assert [one["roll_no"] for one in either.get("/students").json()] == sorted(
        ["changed", "in-the-way", "new", "newer", "renamed"]
    )


@pytest.mark.parametrize("overtaken", [False, True])
def test_only_one_of_two_identical_writes_is_made(either: TestClient, call: Call, *, overtaken: bool) -> None:
    """Both writes have the same user, time and content. Only the write id tells which one was made, even after another
    write has moved that version to the history."""
    create(either, "A")
    student, now = call(store.get, "A"), utc_now()
    first, second = (
        Write(student, student.successor(Action.UPDATED, "alice", name="same", updated_at=now)) for _ in range(2)
    )
    assert call(write_all, [first]) == [Outcome.MADE]
    if overtaken:
        assert either.patch("/students/A", json={"name": "later"}).status_code == 200
    assert call(write_all, [second, first]) == [Outcome.CONFLICT, Outcome.MADE]
    assert len(history(either, "A")) == 2 + overtaken


def test_concurrent_creations_and_changes_are_all_stored(client: TestClient) -> None:
    numbers = range(40)

    def write(number: int) -> list[int]:
        created = client.post("/students", json=CONTENT | {"roll_no": f"S{number // 2}"})
        changed = client.patch(f"/students/S{number // 2}", json={"marks": {f"subject {number}": number}})
        return [created.status_code, changed.status_code]

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(write, numbers))

    assert sorted(created for created, _ in statuses) == [201] * 20 + [409] * 20
    assert {changed for _, changed in statuses} == {200}
    for number in numbers:
        marks = client.get(f"/students/S{number // 2}").json()["marks"]
        assert marks[f"subject {number}"] == number
        assert [version for version, _ in history(client, f"S{number // 2}")] == [3, 2, 1]
