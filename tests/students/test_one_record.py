"""One child, one record: numbers that are given again, pointers after a rename, and the merge of two records."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo.database import Database

from core.identity import Role
from core.settings import Settings
from modules.students import background
from modules.students.identities import identity_key
from modules.students.merging import service as merging
from tests.auth.people import Person, make
from tests.conftest import AppClient, sign_in
from tests.kit import without_jobs
from tests.students.attendance import module as attendance
from tests.students.follower import Follower
from tests.transfers.helpers import database_of, imported, send

JSON = dict[str, Any]

OLD: JSON = {"name": "Old Child", "branch": "Art", "marks": {"math": 40, "art": 7}}
NEW: JSON = {"name": "New Child", "branch": "Physics", "marks": {"math": 91}}


@pytest.fixture
def with_attendance(open_client: AppClient) -> TestClient:
    """Return a client of the service with a module that refers to students, without jobs."""
    return sign_in(open_client(modules=[*without_jobs(), attendance]))


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[JSON]]:
    with database_of(settings) as database:
        yield database


def create(client: TestClient, roll_no: str, content: JSON, query: str = "") -> Response:
    return client.post(f"/students{query}", json={"roll_no": roll_no, **content})


def content(client: TestClient, roll_no: str) -> JSON:
    answer = client.get(f"/students/{roll_no}")
    return {name: answer.json().get(name) for name in ("name", "branch", "marks")} if answer.is_success else {}


def versions(answer: Response) -> list[tuple[int, str]]:
    return [(one["version"], one["action"]) for one in answer.json()]


def history(client: TestClient, roll_no: str) -> list[tuple[int, str]]:
    return versions(client.get(f"/students/{roll_no}/history"))


def by_post(client: TestClient) -> bool:
    return create(client, "S1", NEW).status_code == 201


def by_put(client: TestClient) -> bool:
    return client.put("/students/S1", json=NEW, headers={"If-None-Match": "*"}).status_code == 201


def by_import(client: TestClient) -> bool:
    return bool(imported(client, "roll_no,name,branch,math\nS1,New Child,Physics,91\n")["created"] == 1)


@pytest.mark.parametrize("give", [by_post, by_put, by_import])
def test_a_number_given_again_begins_a_new_record(client: TestClient, admin: Person, give: Any) -> None:
    create(client, "S1", OLD)
    follower = Follower.of(client)
    follower.drain()
    client.delete("/students/S1")
    assert client.get("/students/S1/former").status_code == 403

    assert give(client)

    assert content(client, "S1") == NEW
    assert history(client, "S1") == [(1, "created")]
    assert client.post("/students/S1/restore?version=1").json()["name"] == NEW["name"]
    assert client.post("/students/S1/restore?version=2").json()["name"] == NEW["name"]
    assert client.post("/students/S1/restore?version=9").status_code == 404
    follower.drain()
    assert [one["name"] for one in follower.students] == ["New Child"]
    (former,) = admin.ask("GET", "/students/S1/former").json()
    assert (former["name"], former["roll_no"]) == ("Old Child", "S1")
    holder = f"holder={former['key']}"
    assert client.get(f"/students/S1/history?{holder}").status_code == 403
    assert versions(admin.ask("GET", f"/students/S1/history?{holder}")) == [(2, "deleted"), (1, "created")]
    assert admin.ask("GET", f"/students/S1/history/1?{holder}").json()["student"]["name"] == "Old Child"
    assert admin.ask("GET", f"/students/S1/history/1?holder={former['key'][::-1]}").status_code == 404


def test_a_former_holder_is_restored_once_the_number_is_free_and_can_be_erased(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1", OLD)
    client.delete("/students/S1")
    create(client, "S1", NEW)
    (former,) = admin.ask("GET", "/students/S1/former").json()
    path = f"/students/S1/restore?holder={former['key']}"
    assert client.post(path).status_code == 403

    assert admin.ask("POST", path).json()["type"] == "/problems/roll-no-taken"
    client.delete("/students/S1")
    assert admin.ask("POST", path).status_code == 200

    assert content(client, "S1") == OLD
    assert history(client, "S1") == [(3, "restored"), (2, "deleted"), (1, "created")]
    (other,) = admin.ask("GET", "/students/S1/former").json()
    assert other["name"] == "New Child"
    assert admin.ask("DELETE", f"/students/S1?holder={other['key']}").status_code == 422
    assert admin.ask("DELETE", f"/students/S1?purge=true&holder={other['key']}").status_code == 204
    assert content(client, "S1") == OLD
    assert [one["name"] for one in database.student_history.find()] == ["Old Child"] * 2
    assert admin.ask("GET", "/students/S1/former").json() == []


def test_a_refused_restore_takes_no_number_from_its_holder(client: TestClient, admin: Person) -> None:
    create(client, "S1", OLD)
    client.delete("/students/S1")
    create(client, "S1", NEW)
    client.delete("/students/S1")
    (former,) = admin.ask("GET", "/students/S1/former").json()
    path = f"/students/S1/restore?holder={former['key']}"

    stale = client.post(path, headers={"Authorization": f"Bearer {admin.token}", "If-Match": '"stale"'})
    unknown = admin.ask("POST", f"{path}&version=9")

    assert (stale.status_code, unknown.status_code) == (412, 404)
    assert history(client, "S1") == [(2, "deleted"), (1, "created")]
    assert client.post("/students/S1/restore").json()["name"] == NEW["name"]


def test_the_index_of_older_releases_is_dropped(client: TestClient, database: Database[JSON]) -> None:
    database.students.create_index("roll_no", name="roll_no_unique", unique=True)

    async def start() -> None:
        async with background.lifespan():
            pass

    assert client.portal
    client.portal.call(start)

    assert "roll_no_unique" not in database.students.index_information()


def test_the_undo_of_an_import_leaves_the_earlier_holder_readable(client: TestClient, admin: Person) -> None:
    create(client, "S1", OLD)
    client.delete("/students/S1")
    report = imported(client, "roll_no,name,branch,math\nS1,New Child,Physics,91\n")

    assert client.post(f"/imports/{report['id']}/undo").json()["restored"] == 1

    assert content(client, "S1") == {}
    names = [one["name"] for one in admin.ask("GET", "/students/S1/former").json()]
    assert names == ["Old Child"]


def test_an_old_number_points_to_the_new_one_until_it_is_given_again(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    def moved(roll_no: str) -> Any:
        return client.get(f"/students/{roll_no}").json().get("moved_to")

    create(client, "S1", OLD)
    for old, new in (("S1", "S2"), ("S2", "S3")):
        assert client.post(f"/students/{old}/rename", json={"roll_no": new}).status_code == 200
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PUT", "", OLD),
        ("PATCH", "", {"name": "X"}),
        ("DELETE", "", None),
        ("PUT", "/marks/math", {"mark": 1}),
        ("GET", "/history", None),
        ("POST", "/rename", {"roll_no": "S9"}),
    ]
    for method, path, body in requests:
        answer = client.request(method, f"/students/S1{path}", json=body)
        assert (answer.status_code, answer.json()["moved_to"]) == (404, "S3"), (method, path)
    assert (moved("S2"), moved("S9")) == ("S3", None)
    client.delete("/students/S3")
    assert moved("S1") is None
    client.post("/students/S3/restore")
    assert moved("S1") == "S3"

    create(client, "S1", NEW)
    assert moved("S1") is None
    client.delete("/students/S1")
    assert moved("S1") is None
    client.post("/students/S1/restore")
    client.post("/students/S1/rename", json={"roll_no": "S4"})
    assert moved("S1") == "S4"

    for roll_no in ("S3", "S4"):
        assert admin.ask("DELETE", f"/students/{roll_no}?purge=true").status_code == 204
    assert (moved("S1"), moved("S2")) == (None, None)
    assert database.student_former_numbers.count_documents({}) == 0


def merge(client: TestClient, choose: JSON | None = None, **headers: str) -> Response:
    body = {"into": "S2", "choose": choose or {}}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/students/S1/merge", json=body, headers=sent)


ALL = {"name": "into", "branch": "from", "marks.math": 55}
JOINED: JSON = {"name": "New Child", "branch": "Art", "marks": {"math": 55, "art": 7}}


def test_two_records_are_merged_and_the_merge_is_undone(with_attendance: TestClient) -> None:
    client = with_attendance
    create(client, "S1", OLD)
    create(client, "S2", NEW)
    client.post("/attendance", json={"roll_no": "S1", "day": "2026-11-23"})
    follower = Follower.of(client)
    tag = client.get("/students/S1").headers["etag"]

    refused = merge(client)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/merge-conflict")
    assert refused.json()["conflicts"] == [
        {"field": "name", "into": "New Child", "from": "Old Child"},
        {"field": "branch", "into": "Physics", "from": "Art"},
        {"field": "marks.math", "into": 91, "from": 40},
    ]
    assert [one["field"] for one in merge(client, {"name": "into"}).json()["conflicts"]] == ["branch", "marks.math"]
    assert merge(client, ALL, If_Match='"other"').status_code == 412
    assert (content(client, "S1"), content(client, "S2")) == (OLD, NEW)

    answer = merge(client, ALL, If_Match=tag)

    assert (answer.status_code, answer.headers["location"]) == (200, "/students/S2")
    assert content(client, "S2") == JOINED
    assert answer.headers["etag"] == client.get("/students/S2").headers["etag"]
    gone = client.get("/students/S1")
    assert (gone.status_code, gone.json()["moved_to"]) == (404, "S2")
    assert history(client, "S1") == [(2, "deleted"), (1, "created")]
    assert history(client, "S2") == [(2, "updated"), (1, "created")]
    assert client.get("/students/S1/history/1").json()["student"]["name"] == "Old Child"
    follower.drain()
    assert follower.roll_numbers == ["S2"]
    for path in ("/students/S1/restore", "/students?continue=true"):
        taken = client.post(path, json={"roll_no": "S1", **OLD} if "?" in path else None)
        assert (taken.status_code, taken.json()["type"]) == (409, "/problems/student-merged")

    assert client.post("/students/S2/merge/undo", headers={"If-Match": tag}).status_code == 412
    undone = client.post("/students/S2/merge/undo", headers={"If-Match": answer.headers["etag"]})

    assert (undone.status_code, undone.json()["name"]) == (200, "New Child")
    assert (content(client, "S1"), content(client, "S2")) == (OLD, NEW)
    assert history(client, "S1")[0] == history(client, "S2")[0] == (3, "restored")
    assert client.post("/students/S2/merge/undo").json()["type"] == "/problems/nothing-to-undo"
    follower.drain()
    assert follower.roll_numbers == ["S1", "S2"]
    assert len(client.get("/students/S1/attendance").json()) == 1


WRONG = {
    "itself": ({"into": "S1"}, "#/into", "merge_self"),
    "nobody": ({"into": "S9"}, "#/into", "unknown_reference"),
    "no conflict": ({"into": "S2", "choose": {"marks.art": "from"}}, "#/choose/marks.art", "merge_choice"),
    "a mark as name": ({"into": "S2", "choose": {"name": 5}}, "#/choose/name", "merge_choice"),
    "no mark": ({"into": "S2", "choose": {"marks.math": "best"}}, "#/choose/marks.math", "mark_type"),
    "a high mark": ({"into": "S2", "choose": {"marks.math": 101}}, "#/choose/marks.math", "mark_range"),
    "a mark above the subject's maximum": (
        {"into": "S2", "choose": {"name": "into", "branch": "into", "marks.math": 99}},
        "#/choose/marks.math",
        "mark_range",
    ),
    "many": ({"into": "S3", "choose": {"name": "into", "branch": "into"}}, "#/into", "subjects"),
}


def test_a_choice_names_its_subject_in_any_spelling(client: TestClient) -> None:
    create(client, "S1", OLD | {"marks": {"math": 40, "essay": 7, "art": 5}})
    create(client, "S2", NEW | {"marks": {"math": 91, "essay": 8}})
    client.put("/subjects/math", json={"aliases": ["maths"], "max": 98})
    chosen: JSON = {"name": "into", "branch": "into", "marks.Maths": "from", "marks. ESSAY": 9}

    for choose, wrong in (
        (chosen | {"marks.MATH": "into"}, ("#/choose/marks.MATH", "subject_twice")),
        (chosen | {"marks.Maths": 99}, ("#/choose/marks.Maths", "mark_range")),
        (chosen | {"marks.ART": "into"}, ("#/choose/marks.ART", "merge_choice")),
    ):
        answer = merge(client, choose)
        assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [wrong]
    assert merge(client, chosen).json()["marks"] == {"math": 40, "essay": 9, "art": 5}


def test_wrong_merges_change_nothing(client: TestClient, settings: Settings) -> None:
    create(client, "S1", OLD)
    create(client, "S2", NEW)
    create(client, "S3", NEW | {"marks": {f"s{number}": 1 for number in range(99)}})
    assert client.put("/subjects/math", json={"max": 98}).status_code == 200
    for name, (body, pointer, code) in WRONG.items():
        answer = client.post("/students/S1/merge", json=body)
        assert answer.status_code == 422, name
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)], name
    viewer = make(client, settings, "victor", Role.VIEWER)
    assert viewer.ask("POST", "/students/S1/merge", {"into": "S2"}).status_code == 403
    assert viewer.ask("POST", "/students/S2/merge/undo").status_code == 403
    assert client.post("/students/S9/merge", json={"into": "S2"}).status_code == 404

    assert history(client, "S1") == history(client, "S2") == [(1, "created")]


def change_survivor(client: TestClient) -> bool:
    return client.patch("/students/S2", json={"name": "Later"}).is_success


def give_number_again(client: TestClient) -> bool:
    return create(client, "S1", OLD).status_code == 201


@pytest.mark.parametrize("change", [change_survivor, give_number_again])
def test_a_merge_is_undone_only_until_either_changes(client: TestClient, admin: Person, change: Any) -> None:
    create(client, "S1", OLD)
    create(client, "S2", NEW)
    assert merge(client, ALL).status_code == 200
    assert change(client)

    answer = client.post("/students/S2/merge/undo")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/nothing-to-undo")
    assert content(client, "S2")["marks"] == JOINED["marks"]
    if change is give_number_again:
        assert history(client, "S1") == [(1, "created")]
        (former,) = admin.ask("GET", "/students/S1/former").json()
        answer = admin.ask("DELETE", f"/students/S1?purge=true&holder={former['key']}")
        assert answer.json()["type"] == "/problems/student-merged"


def test_an_import_doubts_the_number_of_a_merged_record(client: TestClient) -> None:
    create(client, "S1", OLD)
    create(client, "S2", NEW)
    assert merge(client, ALL).status_code == 200

    answer = send(client, "roll_no,name,branch\nS1,Old Child,Art\n")

    assert [error["code"] for error in answer.json()["errors"]] == ["identity_similar"]


def test_an_import_doubts_the_earlier_number_of_a_student_who_was_deleted_and_restored(client: TestClient) -> None:
    create(client, "S1", OLD)
    assert client.post("/students/S1/rename", json={"roll_no": "S2"}).status_code == 200
    client.delete("/students/S2")
    client.post("/students/S2/restore")

    answer = send(client, "roll_no,name,branch\nS1,Old Child,Art\n")

    assert [error["code"] for error in answer.json()["errors"]] == ["identity_similar"]


def test_the_undo_of_a_merge_gives_each_record_its_earlier_numbers_back(client: TestClient) -> None:
    create(client, "S0", OLD)
    assert client.post("/students/S0/rename", json={"roll_no": "S1"}).status_code == 200
    create(client, "S3", NEW)
    assert client.post("/students/S3/rename", json={"roll_no": "S2"}).status_code == 200
    assert merge(client, ALL).status_code == 200
    assert client.post("/students/S2/merge/undo").status_code == 200

    answer = send(client, "roll_no,name,branch\nS0,Old Child,Art\nS3,New Child,Art\n")

    assert [(one["code"], "student S1" in one["detail"]) for one in answer.json()["errors"]] == [
        ("identity_similar", True), ("identity_similar", False),
    ]  # fmt: skip


def test_the_undo_of_a_merge_leaves_the_survivor_its_own_earlier_numbers(
    client: TestClient, database: Database[JSON]
) -> None:
    create(client, "007", NEW)
    client.post("/students/007/rename", json={"roll_no": "S2"})
    create(client, "007", NEW)
    assert client.post("/students/007/merge", json={"into": "S2"}).status_code == 200
    assert client.post("/students/S2/merge/undo").status_code == 200

    survivor = database.students.find_one({"roll_no": "S2"})

    assert survivor
    assert survivor["keys"]["identities"] == [identity_key("S2"), identity_key("007")]


def test_the_erasure_of_a_former_holder_leaves_the_pointer_of_the_next_one(client: TestClient, admin: Person) -> None:
    create(client, "S1", OLD)
    client.delete("/students/S1")
    create(client, "S1", NEW)
    client.post("/students/S1/rename", json={"roll_no": "S2"})
    (former,) = admin.ask("GET", "/students/S1/former").json()

    assert admin.ask("DELETE", f"/students/S1?purge=true&holder={former['key']}").status_code == 204

    assert client.get("/students/S1").json()["moved_to"] == "S2"


def test_an_erased_student_takes_along_what_was_merged(
    with_attendance: TestClient, settings: Settings, database: Database[JSON]
) -> None:
    client, admin = with_attendance, make(with_attendance, settings, "principal", Role.ADMIN)
    create(client, "S0", OLD | {"marks": {"pe": 3}})
    create(client, "S1", OLD)
    create(client, "S2", NEW)
    client.post("/attendance", json={"roll_no": "S0", "day": "2026-11-23"})
    assert client.post("/students/S0/merge", json={"into": "S1"}).status_code == 200
    assert merge(client, ALL).status_code == 200
    assert client.get("/students/S0").json()["moved_to"] == "S2"
    assert admin.ask("DELETE", "/students/S0?purge=true").json()["type"] == "/problems/student-merged"

    assert admin.ask("DELETE", "/students/S2?purge=true").status_code == 204

    for name in ("students", "student_history", "student_former_numbers", "attendance"):
        assert database[name].count_documents({}) == 0, name
    assert database.student_erasures.count_documents({}) == 3
    assert "moved_to" not in client.get("/students/S0").json()


def test_an_interrupted_merge_is_finished_or_taken_back(
    with_attendance: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = with_attendance
    assert client.portal
    cases = itertools.product((False, True), (False, True), (1, 2, 3))
    for number, (undo, survivor_changes, step) in enumerate(cases):
        case = f"undo={undo} changed={survivor_changes} step={step}"
        roll_no, into = f"A{number}", f"B{number}"
        create(client, roll_no, OLD)
        create(client, into, NEW)
        path, body = f"/students/{roll_no}/merge", {"into": into, "choose": ALL}
        if undo:
            assert client.post(path, json=body).status_code == 200
            path, body = f"/students/{into}/merge/undo", {}
        with monkeypatch.context() as patched:
            interrupt(patched, step)
            assert client.post(path, json=body or None).status_code == 500, case
        if survivor_changes:
            assert client.put(f"/students/{into}/marks/pe", json={"mark": 1}).status_code == 200

        client.portal.call(merging.resume_all)

        # The first write only claims the record; after the second one, the survivor has its new content.
        done = step > 1 or not survivor_changes
        joined = done is not undo
        expected = JOINED if joined else NEW
        marks = {**expected["marks"], **({"pe": 1} if survivor_changes else {})}
        assert content(client, into) == {**expected, "marks": marks}, case
        assert content(client, roll_no) == ({} if joined else OLD), case
        before = (history(client, roll_no), history(client, into))
        client.portal.call(merging.resume_all)
        assert (history(client, roll_no), history(client, into)) == before, case


def interrupt(patched: pytest.MonkeyPatch, step: int) -> None:
    """Let the process die after so many writes of a merge."""
    left = step

    def counted(write: Any) -> Any:
        async def call(*arguments: Any) -> Any:
            nonlocal left
            result = await write(*arguments)
            left -= 1
            if left == 0:
                raise RuntimeError("the process dies here")
            return result

        return call

    for name in ("write", "change_if"):
        patched.setattr(merging, name, counted(getattr(merging, name)))
