"""What the service asks of MongoDB with each write."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

import core.database.client
from modules.students.models import StudentDocument
from modules.students.records import store
from tests.conftest import AppClient, sign_in
from tests.students.test_indexes import Sent

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
def test_writes_reach_the_disks_of_a_majority_and_build_upon_what_stays(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(route="all of them")
    monkeypatch.setitem(core.database.client._CLIENT_OPTIONS, "event_listeners", [sent])
    client = sign_in(open_client())
    for method, path, body in WRITES:
        assert client.request(method, path, json=body).is_success

    writes = [one for _, kind, one in sent.commands if kind in ("insert", "update", "delete", "findAndModify")]
    assert len(writes) >= len(WRITES)
    assert [one for one in writes if one.get("writeConcern") != {"w": "majority", "j": True}] == []
    whole = [one for _, kind, one in sent.commands if (kind, one.get("find")) == ("find", "students")]
    built_upon = [one for one in whole if not one.get("projection")]
    assert len(built_upon) >= len(WRITES) - 1
    assert [one for one in built_upon if one.get("readConcern") != {"level": "majority"}] == []


@pytest.mark.parametrize("known", ["nothing", "an older version"])
@pytest.mark.parametrize("name", ["first", "third"], ids=["as it was once", "new"])
def test_a_majority_that_is_behind_is_waited_for(
    client: TestClient, known: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As just after an election: the new primary has all that was acknowledged, but does not know yet that it was."""
    client.post("/students", json={"roll_no": "S1", "name": "first", "branch": "b"})
    assert client.portal
    older = client.portal.call(StudentDocument.get_motor_collection().find_one, {"roll_no": "S1"})
    newest = client.patch("/students/S1", json={"name": "second"}).headers["ETag"]
    behind = Behind(None if known == "nothing" else older)
    monkeypatch.setattr(store, "read_majority", lambda _: behind)

    answer = client.patch("/students/S1", json={"name": name}, headers={"If-Match": newest})

    assert (answer.status_code, answer.json().get("name")) == (200, name)
    assert [one["version"] for one in client.get("/students/S1/history").json()] == [3, 2, 1]
    assert behind.asked > 1


class Behind:
    """The students as a majority is known to have them; at first, that is long ago."""

    def __init__(self, before: Any) -> None:
        self.before = before
        self.asked = 0

    def find(self, query: Any, fields: Any) -> Any:
        self.asked += 1
        return self if self.asked == 1 else StudentDocument.get_motor_collection().find(query, fields)

    async def to_list(self, _: None) -> list[Any]:
        return [self.before] if self.before else []


def test_who_is_not_there_is_not_waited_for(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    behind = Behind(None)
    monkeypatch.setattr(store, "read_majority", lambda _: behind)
    assert client.patch("/students/S1", json={"name": "n"}).status_code == 404
    assert behind.asked == 1
