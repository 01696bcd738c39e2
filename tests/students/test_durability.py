"""What the service asks of MongoDB with each write, and with each read."""

from typing import Any

import pytest

import core.database
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
READS = [
    "/students/S2",
    "/students",
    "/students/S2/history",
    "/students/S2/history/1",
    "/changes",
    "/statistics",
    "/me",
]


def test_writes_reach_the_disks_of_a_majority_and_reads_are_of_what_stays(
    open_client: AppClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(route="all of them")
    monkeypatch.setitem(core.database._CLIENT_OPTIONS, "event_listeners", [sent])
    client = sign_in(open_client())
    for method, path, body in WRITES:
        assert client.request(method, path, json=body).is_success
    for path in READS:
        assert client.get(path).is_success

    writes, reads = [], []
    for _, kind, command in sent.commands:
        if kind in ("insert", "update", "delete", "findAndModify", "bulkWrite"):
            writes.append(command)
        elif kind in ("find", "aggregate", "count", "distinct"):
            reads.append(command)
    assert len(writes) >= len(WRITES)
    assert len(reads) >= len(READS)
    assert [one for one in writes if one.get("writeConcern") != {"w": "majority", "j": True}] == []
    assert [one for one in reads if one.get("readConcern", {}).get("level") != "majority"] == []
