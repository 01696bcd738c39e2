"""The history of a student: who changed what and when, the record of each version, and restoring one."""

from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.identity import Role
from core.settings import Settings
from tests.auth import people

JSON = dict[str, Any]

ASHA: JSON = {"roll_no": "S1", "name": "Asha Rao", "branch": "Physics", "marks": {"math": 91, "art": 60.5}}
CREATED = [
    {"field": "roll_no", "from": None, "to": "S1"},
    {"field": "name", "from": None, "to": "Asha Rao"},
    {"field": "branch", "from": None, "to": "Physics"},
    {"field": "marks.math", "from": None, "to": 91},
    {"field": "marks.art", "from": None, "to": 60.5},
]


@pytest.fixture
def client(client: TestClient) -> TestClient:
    create(client)
    return client


@pytest.fixture
def either(either: TestClient) -> TestClient:
    """Return a client like `client`, once on the real mongod and once in memory."""
    create(either)
    return either


def create(client: TestClient, **changes: Any) -> None:
    assert client.post("/students", json=ASHA | changes).status_code == 201


def history(client: TestClient, roll_no: str = "S1") -> list[JSON]:
    answer = client.get(f"/students/{roll_no}/history")
    assert answer.status_code == 200, answer.text
    found: list[JSON] = answer.json()
    return found


def actions(client: TestClient, roll_no: str = "S1") -> list[tuple[int, str]]:
    return [(one["version"], one["action"]) for one in history(client, roll_no)]


def change(field: str, before: object, after: object) -> JSON:
    return {"field": field, "from": before, "to": after}


def make_versions_of_all_kinds(client: TestClient) -> list[JSON]:
    """Make a version of each kind. The student has the number S1 again at the end.

    Return the expected history entries, oldest first.
    """
    replacement = {"name": "Asha R.", "branch": "Physics", "marks": {"math": 91, "pe": 5}}
    steps: list[tuple[str, str, Any, str, list[JSON]]] = [
        ("PATCH", "/students/S1", {"marks": {"math": 93}}, "updated", [change("marks.math", 91, 93)]),
        ("PUT", "/students/S1/marks/math", {"mark": 91}, "updated", [change("marks.math", 93, 91)]),
        ("DELETE", "/students/S1/marks/math", None, "updated", [change("marks.math", 91, None)]),
        ("PUT", "/students/S1", replacement, "updated", []),
        ("POST", "/students/S1/rename", {"roll_no": "S2"}, "renamed", [change("roll_no", "S1", "S2")]),
        ("DELETE", "/students/S2", None, "deleted", []),
        ("POST", "/students/S2/restore", None, "restored", []),
        ("POST", "/students/S2/rename", {"roll_no": "S1"}, "renamed", [change("roll_no", "S2", "S1")]),
        ("POST", "/students/S1/restore?version=2", None, "restored", []),
        ("DELETE", "/students/S1", None, "deleted", []),
        ("POST", "/students?continue=true", ASHA | {"branch": "Art"}, "created", []),
    ]
    by_version = {
        5: [
            change("name", "Asha Rao", "Asha R."),
            change("marks.math", None, 91),
            change("marks.art", 60.5, None),
            change("marks.pe", None, 5),
        ],
        10: [
            change("name", "Asha R.", "Asha Rao"),
            change("marks.math", 91, 93),
            change("marks.pe", 5, None),
            change("marks.art", None, 60.5),
        ],
        12: [change("branch", "Physics", "Art"), change("marks.math", 93, 91)],
    }
    entries: list[JSON] = [{"version": 1, "action": "created", "changes": CREATED}]
    for version, (method, path, body, action, changes) in enumerate(steps, start=2):
        answer = client.request(method, path, json=body)
        assert answer.is_success, answer.text
        entries.append({"version": version, "action": action, "changes": by_version.get(version, changes)})
    return entries


def in_any_order(summary: JSON) -> JSON:
    return summary | {"changes": sorted(summary["changes"], key=lambda one: str(one["field"]))}


def test_every_version_records_what_was_done_by_whom_and_when(either: TestClient) -> None:
    entries = make_versions_of_all_kinds(either)

    found = history(either)

    expected = [in_any_order(one) for one in entries[::-1]]
    assert [in_any_order({name: one[name] for name in entries[0]}) for one in found] == expected
    assert {one["by"] for one in found} == {"alice"}
    moments = [datetime.fromisoformat(one["at"]) for one in found]
    assert moments == sorted(moments, reverse=True)
    assert all(moment.utcoffset() is not None for moment in moments)


def test_each_version_is_kept_as_a_whole_record(either: TestClient) -> None:
    states = [either.get("/students/S1").json()]
    bodies: list[JSON] = [{"name": "Asha R."}, {"marks": {"math": None}}, {"branch": "Art", "marks": {"pe": 1}}]
    states += [either.patch("/students/S1", json=body).json() for body in bodies]
    either.delete("/students/S1")

    found = [either.get(f"/students/S1/history/{number}").json() for number in range(1, 6)]

    assert [one["student"] for one in found[:4]] == states
    assert [one["deleted"] for one in found] == [False] * 4 + [True]
    assert {name: found[4]["student"][name] for name in ASHA} == {name: states[-1][name] for name in ASHA}
    summaries = [{name: one[name] for name in ("version", "action", "at", "by")} for one in found[::-1]]
    assert summaries == [{name: one[name] for name in summaries[0]} for one in history(either)]


@pytest.mark.parametrize("limit", [1, 5, 13])
def test_the_pages_of_a_history_contain_every_version_once(client: TestClient, limit: int) -> None:
    for number in range(12):
        client.patch("/students/S1", json={"name": f"Name {number}"})
    pages, address = [], f"/students/S1/history?limit={limit}"

    while address:
        pages.append(client.get(address))
        address = pages[-1].links.get("next", {}).get("url", "")
    back, address = [pages[-1]], pages[-1].links.get("prev", {}).get("url", "")
    while address:
        back.append(client.get(address))
        address = back[-1].links.get("prev", {}).get("url", "")

    assert [one for page in pages for one in page.json()] == history(client)
    assert [page.json() for page in back[::-1]] == [page.json() for page in pages]
    assert all(len(page.json()) == limit for page in pages[:-1])
    assert ["first" in page.links for page in pages] == [False] + [True] * (len(pages) - 1)
    assert all(client.get(page.links["first"]["url"]).json() == pages[0].json() for page in pages[1:])


def test_paging_through_a_history_is_stable_while_others_write(either: TestClient) -> None:
    for number in range(4):
        either.patch("/students/S1", json={"name": f"Name {number}"})
    first = either.get("/students/S1/history?limit=2")

    either.patch("/students/S1", json={"name": "Later"})
    second = either.get(first.links["next"]["url"])
    newer = either.get(second.links["prev"]["url"])
    newest = either.get(newer.links["prev"]["url"])

    pages = [[one["version"] for one in page.json()] for page in (first, second, newer, newest)]
    assert pages == [[5, 4], [3, 2], [5, 4], [6]]
    assert "prev" not in newest.links


def test_a_cursor_of_the_student_who_had_this_number_before_is_not_found(client: TestClient) -> None:
    for number in range(2):
        client.patch("/students/S1", json={"name": f"Name {number}"})
    address = client.get("/students/S1/history?limit=2").links["next"]["url"]
    client.delete("/students/S1")
    create(client)
    for number in range(6):
        client.patch("/students/S1", json={"name": f"Other {number}"})

    answer = client.get(address)

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/cursor-not-found")


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "sort=version"])
def test_a_wrong_parameter_of_a_history_is_named(client: TestClient, query: str) -> None:
    answer = client.get(f"/students/S1/history?{query}")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


def test_a_cursor_is_valid_only_for_its_history(client: TestClient) -> None:
    create(client, roll_no="S2")
    client.patch("/students/S1", json={"name": "X"})
    address = client.get("/students/S1/history?limit=1").links["next"]["url"]

    assert client.get(address.replace("S1", "S2")).status_code == 404


def test_an_unknown_version_is_not_found(client: TestClient) -> None:
    for method, path in (("GET", "/students/S1/history/2"), ("POST", "/students/S1/restore?version=2")):
        answer = client.request(method, path)
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/version-not-found"
    for number in ("0", "-1", "x", "1.5", str(2**31), str(2**70)):
        assert client.get(f"/students/S1/history/{number}").json()["errors"][0]["parameter"] == "version"
        assert client.post(f"/students/S1/restore?version={number}").json()["errors"][0]["parameter"] == "version"

    assert actions(client) == [(1, "created")]


def test_an_unknown_student_has_no_history(client: TestClient) -> None:
    for method, path in (("GET", "history"), ("GET", "history/1"), ("POST", "restore"), ("POST", "restore?version=1")):
        answer = client.request(method, f"/students/S9/{path}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "/problems/student-not-found"


def test_a_deleted_student_is_hidden_except_in_the_history(client: TestClient) -> None:
    create(client, roll_no="S2", name="Other")
    before = client.get("/students/S1").json()

    client.delete("/students/S1")

    assert client.get("/students/S1").status_code == 404
    queries = ["", "q=asha", "q=s1", "branch=Physics", "marks.math.gte=1", "marks.math.lte=91", "missing=pe"]
    queries += ["updated_since=2020-01-01T00:00:00Z", "sort=-marks.math", "sort=name", "sort=-updated_at"]
    for query in queries:
        answer = client.get(f"/students?count=true&{query}")
        roll_numbers = [student["roll_no"] for student in answer.json()]
        assert roll_numbers == ([] if query.startswith("q=") else ["S2"]), query
        assert answer.headers["total-count"] == str(len(roll_numbers)), query
    assert actions(client) == [(2, "deleted"), (1, "created")]
    assert client.get("/students/S1/history/1").json()["student"] == before


def test_a_restored_student_is_as_before_the_deletion(either: TestClient) -> None:
    before = either.get("/students/S1").json()
    either.delete("/students/S1")

    answer = either.post("/students/S1/restore")

    assert answer.status_code == 200
    assert answer.json() == before | {"updated_at": answer.json()["updated_at"]}
    assert either.get("/students/S1").json() == answer.json()
    assert [student["roll_no"] for student in either.get("/students?q=asha").json()] == ["S1"]
    assert actions(either) == [(3, "restored"), (2, "deleted"), (1, "created")]


@pytest.mark.parametrize("deleted", [False, True], ids=["live", "deleted"])
def test_restoring_an_earlier_version_makes_a_new_one(client: TestClient, deleted: bool) -> None:
    client.put("/students/S1", json={"name": "X", "branch": "Y"})
    if deleted:
        client.delete("/students/S1")

    answer = client.post("/students/S1/restore?version=1")

    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in ASHA} == ASHA
    assert client.get("/students/S1").json() == answer.json()
    assert actions(client)[0] == (3 + deleted, "restored")
    assert [number for number, _ in actions(client)] == list(range(3 + deleted, 0, -1))


def test_the_version_of_a_deletion_can_be_restored_too(client: TestClient) -> None:
    client.delete("/students/S1")

    answer = client.post("/students/S1/restore?version=2")

    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in ASHA} == ASHA
    assert client.get("/students/S1/history/3").json()["deleted"] is False


def test_restoring_a_live_student_needs_a_version(client: TestClient) -> None:
    answer = client.post("/students/S1/restore")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/not-deleted"
    assert actions(client) == [(1, "created")]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_student_created_again_can_continue_the_version_numbers(either: TestClient, method: str) -> None:
    either.delete("/students/S1")

    body = ASHA | {"name": "Asha R.", "marks": {}}
    path = "/students" if method == "POST" else "/students/S1"
    answer = either.request(method, f"{path}?continue=true", json=body, headers={"If-None-Match": "*"})
    assert answer.status_code == 201

    assert actions(either) == [(3, "created"), (2, "deleted"), (1, "created")]
    assert either.get("/students/S1").json()["marks"] == {}
    assert either.get("/students/S1/history/1").json()["student"]["name"] == "Asha Rao"
    assert either.post("/students/S1/restore?version=1").json()["name"] == "Asha Rao"


def test_each_version_names_its_user(any_client: TestClient, settings: Settings) -> None:
    alice, bob = (people.make(any_client, settings, name, Role.TEACHER) for name in ("alice", "bob"))

    writers = [(alice, "POST", "", ASHA), (bob, "PATCH", "/S1", {"name": "X"}), (alice, "DELETE", "/S1", None)]
    writers += [(bob, "POST", "/S1/restore", None)]
    for person, method, path, body in writers:
        assert person.ask(method, f"/students{path}", body).is_success

    assert [one["by"] for one in alice.ask("GET", "/students/S1/history").json()] == ["bob", "alice", "bob", "alice"]
    assert bob.ask("GET", "/students/S1/history/3").json()["by"] == "alice"


def test_a_viewer_reads_the_history_and_restores_nothing(client: TestClient, settings: Settings) -> None:
    client.patch("/students/S1", json={"name": "X"})
    viewer = people.make(client, settings, "victor", Role.VIEWER)

    assert [one["version"] for one in viewer.ask("GET", "/students/S1/history").json()] == [2, 1]
    assert viewer.ask("GET", "/students/S1/history/1").json()["student"]["name"] == "Asha Rao"
    assert viewer.ask("POST", "/students/S1/restore?version=1").status_code == 403
    assert viewer.ask("POST", "/students/S1/rename", {"roll_no": "S2"}).status_code == 403
    assert actions(client) == [(2, "updated"), (1, "created")]
