"""The write and read concerns of each write."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

import core.database.client
from modules.students.models import StudentDocument
from modules.students.records import store
from tests.conftest import AppClient, sign_in
from tests.queries import SentCommands

WRITES: list[tuple[str, str, Any]] = [
    ("POST", "/students", {"roll_no": "S1", "name": "n", "branch": "b", "marks": {"math": 1}}),
    ("PATCH", "/students/S1", {"name": "m"}),
    ("PUT", "/students/S1", {"name": "n", "branch": "c", "marks": {"math": 2, "art": 3}}),
    ("PUT", "/students/S1/marks/math", {"mark": 3}),
    ("DELETE", "/students/S1/marks/art", None),
    ("POST", "/students/S1/rename", {"roll_no": "S2"}),
    ("DELETE", "/students/S2", None),
    ("POST", "/students/S2/restore", None),
]


@pytest.mark.usefixtures("no_app")
def test_writes_are_journaled_by_a_majority_and_change_what_a_majority_has(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = SentCommands(route="all of them")
    monkeypatch.setitem(core.database.client._CLIENT_OPTIONS, "event_listeners", [sent])
    client = sign_in(open_client())
    for method, path, body in WRITES:
        assert client.request(method, path, json=body).is_success

    writes = [one for _, kind, one in sent.commands if kind in ("insert", "update", "delete", "findAndModify")]
    assert len(writes) >= len(WRITES)
    assert [one for one in writes if one.get("writeConcern") != {"w": "majority", "j": True}] == []
    finds = [one for _, kind, one in sent.commands if (kind, one.get("find")) == ("find", "students")]
    changed_later = [one for one in finds if not one.get("projection")]
    assert len(changed_later) >= len(WRITES) - 1
    assert [one for one in changed_later if one.get("readConcern") != {"level": "majority"}] == []


@pytest.mark.parametrize("known", ["nothing", "an older version"])
@pytest.mark.parametrize("name", ["first", "third"], ids=["the first name again", "a new name"])
def test_a_write_waits_for_the_majority_to_catch_up(
    client: TestClient, known: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulate the time just after an election: the new primary has all acknowledged writes, but does not know yet that
    a majority has them."""
    client.post("/students", json={"roll_no": "S1", "name": "first", "branch": "b"})
    assert client.portal
    older = client.portal.call(StudentDocument.get_motor_collection().find_one, {"roll_no": "S1"})
    newest = client.patch("/students/S1", json={"name": "second"}).headers["ETag"]
    behind = LaggingMajority(None if known == "nothing" else older)
    monkeypatch.setattr(store, "read_majority", lambda _: behind)

    answer = client.patch("/students/S1", json={"name": name}, headers={"If-Match": newest})

    assert (answer.status_code, answer.json().get("name")) == (200, name)
    assert [one["version"] for one in client.get("/students/S1/history").json()] == [3, 2, 1]
    assert behind.reads > 1


class LaggingMajority:
    """Replaces majority reads of students: the first one returns an old state."""

    def __init__(self, before: Any) -> None:
        self.before = before
        self.reads = 0

    def find(self, query: Any, fields: Any) -> Any:
        self.reads += 1
        return self if self.reads == 1 else StudentDocument.get_motor_collection().find(query, fields)

    async def to_list(self, _: None) -> list[Any]:
        return [self.before] if self.before else []


def test_a_missing_student_is_not_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = LaggingMajority(None)
    monkeypatch.setattr(store, "read_majority", lambda _: behind)
    assert client.patch("/students/S1", json={"name": "n"}).status_code == 404
    assert behind.reads == 1
