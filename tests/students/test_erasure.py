"""Erasing a student: no trace of the person is left, even if others write or the process dies meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from beanie import Document
from bson import encode
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo import MongoClient

from core.identity import Role
from core.routing import UsedKey
from core.settings import Settings
from modules.students import background
from modules.students.changes import service as changes
from modules.students.erasure import service as erasure
from modules.students.models import Erasure, StudentDocument, StudentVersion
from modules.students.records import write_batch
from tests.auth.people import Person, make
from tests.students.follower import Follower, Json, paused

Stored = Callable[[], dict[str, list[Json]]]

ART = {"branch": "Art"}
PURGE = "?purge=true"
NAME, SUBJECT, MARK = "Erasmus Forgotten", "palaeography", 87.13


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


@pytest.fixture
def stored(mongodb_url: str, database_name: str) -> Iterator[Stored]:
    """Return a function that reads the raw documents of each collection."""
    with MongoClient[Json](mongodb_url) as mongo:
        database = mongo[database_name]
        yield lambda: {name: list(database[name].find()) for name in database.list_collection_names()}


def create(client: TestClient, roll_no: str = "ER-101", name: str = NAME) -> None:
    body = {"roll_no": roll_no, "name": name, "branch": "Physics", "marks": {SUBJECT: MARK}}
    assert client.post("/students", json=body).status_code == 201


def erase(admin: Person, roll_no: str = "ER-101") -> Response:
    return admin.ask("DELETE", f"/students/{roll_no}{PURGE}")


def traces(stored: dict[str, list[Json]], *secrets: str) -> list[str]:
    """Return the collections that still contain a trace of the person."""
    raw = {name: b"".join(encode(document).lower() for document in documents) for name, documents in stored.items()}
    words = [secret.lower().encode() for secret in (NAME, "erasmus", "er-101", SUBJECT, *secrets)]
    marks = encode({"": MARK})[6:-1], encode({"": round(MARK * 100)})[6:-1]
    return [name for name, content in raw.items() if any(word in content for word in (*words, *marks))]


@pytest.mark.parametrize("role", [Role.TEACHER, Role.VIEWER, None])
def test_only_admins_can_erase(client: TestClient, settings: Settings, role: Role | None) -> None:
    create(client)

    if role:
        answer = make(client, settings, "other", role).ask("DELETE", f"/students/ER-101{PURGE}")
    else:
        answer = client.delete(f"/students/ER-101{PURGE}", headers={"Authorization": ""})

    assert answer.status_code == (403 if role else 401)
    assert client.get("/students/ER-101").status_code == 200
    assert len(client.get("/students/ER-101/history").json()) == 1


def test_no_trace_of_the_person_is_left_in_any_collection(client: TestClient, admin: Person, stored: Stored) -> None:
    create(client)
    client.put(f"/students/ER-101/marks/{SUBJECT}", json={"mark": 12})
    client.post("/students/ER-101/rename", json={"roll_no": "ER-102"})
    client.get("/changes")
    create(client, "S2", "Someone Else")
    assert {"students", "student_history"} <= set(traces(stored(), "er-102"))
    client.delete("/students/S2")
    assert erase(admin, "S2").status_code == 204

    answer = erase(admin, "ER-102")

    assert (answer.status_code, answer.content) == (204, b"")
    assert traces(stored(), "er-102", "someone else") == []
    assert stored()["students"] == stored()["student_history"] == []
    for path in ("", "/history", "/history/1"):
        assert client.get(f"/students/ER-102{path}").status_code == 404
    assert client.post("/students/ER-102/restore").status_code == 404


def test_no_response_of_a_repeatable_request_names_the_person(
    client: TestClient, admin: Person, stored: Stored
) -> None:
    body: Json = {"roll_no": "ER-101", "name": NAME, "branch": "Physics", "marks": {SUBJECT: MARK}}
    key = {"Idempotency-Key": f"create {NAME}"}
    assert client.post("/students", json=body, headers=key).status_code == 201
    assert "idempotency_keys" in traces(stored())

    assert erase(admin).status_code == 204

    assert traces(stored()) == []
    again = client.post("/students", json=body, headers=key)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/response-not-kept")
    assert client.get("/students/ER-101").status_code == 404


def test_a_request_that_ends_after_the_erasure_does_not_store_its_response(
    client: TestClient, admin: Person, stored: Stored
) -> None:
    create(client)

    def rename() -> Response:
        return client.post("/students/ER-101/rename", json={"roll_no": "ER-102"}, headers={"Idempotency-Key": "rename"})

    with paused(client, UsedKey, "finish", rename) as finish:
        assert erase(admin, "ER-102").status_code == 204
        assert finish().json()["name"] == NAME

    assert traces(stored(), "er-102") == []
    assert rename().json()["type"] == "/problems/response-not-kept"


@pytest.mark.parametrize("deleted", [False, True])
def test_one_row_records_who_erased_but_not_who_was_erased(
    client: TestClient, admin: Person, stored: Stored, deleted: bool
) -> None:
    create(client)
    if deleted:
        assert client.delete("/students/ER-101").status_code == 204

    headers = {"Authorization": f"Bearer {admin.token}", "X-Request-ID": "erasing-1"}
    client.delete(f"/students/ER-101{PURGE}", headers=headers)

    (row,) = admin.ask("GET", "/erasures").json()
    assert row.keys() == {"erasure_id", "at", "who", "address", "request_id"}
    assert (row["who"], row["address"], row["request_id"]) == ("principal", "testclient", "erasing-1")
    (kept,) = stored()["student_erasures"]
    assert kept.keys() == row.keys() | {"_id"}


def test_erasures_are_listed_for_admins_newest_first_in_pages(
    client: TestClient, admin: Person, settings: Settings
) -> None:
    for number in range(3):
        create(client, f"S{number}")
        headers = {"Authorization": f"Bearer {admin.token}", "X-Request-ID": f"erasing-{number}"}
        client.delete(f"/students/S{number}{PURGE}", headers=headers)

    first = admin.ask("GET", "/erasures?limit=2")
    second = admin.ask("GET", first.links["next"]["url"])

    assert [row["request_id"] for row in first.json()] == ["erasing-2", "erasing-1"]
    assert [row["request_id"] for row in second.json()] == ["erasing-0"]
    assert "next" not in second.links
    assert client.get("/erasures").status_code == 403
    assert make(client, settings, "vera", Role.VIEWER).ask("GET", "/erasures").status_code == 403
    assert client.get("/erasures", headers={"Authorization": ""}).status_code == 401


def test_neither_an_unknown_nor_an_erased_student_can_be_erased(client: TestClient, admin: Person) -> None:
    create(client)

    answers = [erase(admin, "S404"), erase(admin), erase(admin)]

    assert [answer.status_code for answer in answers] == [404, 204, 404]
    assert len(admin.ask("GET", "/erasures").json()) == 1


def test_an_erasure_honours_if_match(client: TestClient, admin: Person) -> None:
    create(client)
    old = client.get("/students/ER-101").headers["etag"]
    client.patch("/students/ER-101", json={"branch": "Art"})
    now = client.get("/students/ER-101").headers["etag"]

    def purge(tag: str) -> int:
        headers = {"Authorization": f"Bearer {admin.token}", "If-Match": tag}
        return client.delete(f"/students/ER-101{PURGE}", headers=headers).status_code

    assert purge(old) == 412
    assert client.get("/students/ER-101").headers["etag"] == now
    assert admin.ask("GET", "/erasures").json() == []
    assert purge(now) == 204


def test_the_roll_number_is_free_for_a_student_with_a_new_history(client: TestClient, admin: Person) -> None:
    create(client)
    tag = client.get("/students/ER-101").headers["etag"]
    client.delete("/students/ER-101")
    erase(admin)

    create(client, name="Someone Else")

    (version,) = client.get("/students/ER-101/history").json()
    assert (version["version"], version["action"]) == (1, "created")
    assert client.get("/students/ER-101").headers["etag"] != tag


@pytest.mark.parametrize("seen_before", [True, False])
@pytest.mark.parametrize("deleted_before", [True, False])
def test_the_feed_reports_an_erasure(
    client: TestClient, admin: Person, seen_before: bool, deleted_before: bool
) -> None:
    follower = Follower.of(client)
    create(client)
    key = follower.step()["changes"][0]["key"]
    if deleted_before:
        client.delete("/students/ER-101")
        if seen_before:
            follower.drain()

    erase(admin)
    create(client, name="Someone Else")
    answer = follower.step()

    received = {change["key"]: (change["roll_no"], change["deleted"]) for change in answer["changes"]}
    assert received.pop(key) == (None, True)
    assert list(received.values()) == [("ER-101", False)]
    assert follower.students == client.get("/students").json()


STEPS: list[tuple[Any, str, bool]] = [
    (write_batch, "_copy_to_history", True),
    (write_batch, "_replace", True),
    (changes, "_insert_entries", False),
    (changes, "_insert_entries", True),
    (changes, "_confirm_numbers", True),
    (erasure, "_claim", False),
    (erasure, "_claim", True),
    (erasure, "forget_responses", False),
    (erasure, "forget_responses", True),
    (StudentVersion, "delete_many", False),
    (StudentVersion, "delete_many", True),
    (Erasure, "insert_one", False),
    (Erasure, "insert_one", True),
    (StudentDocument, "delete_one", False),
]


@contextmanager
def dying(where: Any, step: str, *, after: bool) -> Iterator[None]:
    """Make a function of a module or of a collection fail as if the process had died before or after it."""
    original = getattr(where, step)

    async def die(*arguments: Any, **named: Any) -> None:
        if after:
            await original(*arguments, **named)
        raise RuntimeError("The process died.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, step, die)
        yield


def start_again(client: TestClient) -> None:
    """Run what the module runs when the service starts."""

    async def start() -> None:
        async with background.lifespan():
            await erasure.finish_erasures()
            await erasure.sweep()

    assert client.portal
    client.portal.call(start)


def collection(document: type[Document]) -> Any:
    return document.get_motor_collection()


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_erasure_can_be_repeated(
    client: TestClient, admin: Person, stored: Stored, step: tuple[Any, str, bool]
) -> None:
    where, name, after = step
    follower = Follower.of(client)
    create(client)
    follower.drain()

    with dying(collection(where) if isinstance(where, type) else where, name, after=after):
        assert erase(admin).status_code == 500
    follower.drain()
    assert erase(admin).status_code == 204

    follower.drain()
    assert follower.students == []
    assert traces(stored()) == []
    assert stored()["student_history"] == []
    assert len(admin.ask("GET", "/erasures").json()) == 1


def test_a_writer_that_copies_to_the_history_too_late_leaves_no_trace(
    client: TestClient, admin: Person, stored: Stored
) -> None:
    create(client)

    with paused(client, write_batch, "_copy_to_history", lambda: client.patch("/students/ER-101", json=ART)) as finish:
        assert erase(admin).status_code == 204
        assert finish().status_code == 404

    assert traces(stored()) == []
    assert stored()["student_history"] == []


@pytest.mark.parametrize("step", ["_copy_to_history", "_replace"])
def test_a_writer_that_copies_while_the_record_is_removed_leaves_no_trace(
    client: TestClient, admin: Person, stored: Stored, step: str
) -> None:
    create(client)

    with (
        paused(client, write_batch, step, lambda: client.patch("/students/ER-101", json=ART)) as finish,
        paused(client, collection(StudentDocument), "delete_one", lambda: erase(admin)) as finish_erasing,
    ):
        assert finish().status_code == 404
        assert finish_erasing().status_code == 204

    assert traces(stored()) == []
    assert stored()["student_history"] == []


def test_a_late_copy_is_deleted_even_if_the_erasing_process_dies_after_removing_the_record(
    client: TestClient, admin: Person, stored: Stored
) -> None:
    create(client)

    with (
        paused(client, write_batch, "_copy_to_history", lambda: client.patch("/students/ER-101", json=ART)) as finish,
        paused(client, collection(StudentDocument), "delete_one", lambda: erase(admin)) as finish_erasing,
    ):
        finish()
        with dying(collection(StudentVersion), "delete_many", after=False):
            assert finish_erasing().status_code == 500
    start_again(client)

    assert traces(stored()) == []


def test_a_late_writer_that_dies_leaves_no_trace(client: TestClient, admin: Person, stored: Stored) -> None:
    create(client)

    with paused(client, write_batch, "_copy_to_history", lambda: client.patch("/students/ER-101", json=ART)) as finish:
        assert erase(admin).status_code == 204
        with dying(collection(StudentDocument), "bulk_write", after=True):
            assert finish().status_code == 500
    start_again(client)

    assert traces(stored()) == []


def test_a_student_restored_during_an_erasure_is_erased_completely(
    client: TestClient, admin: Person, stored: Stored
) -> None:
    follower = Follower.of(client)
    create(client)

    with paused(client, erasure, "_claim", lambda: erase(admin)) as finish:
        assert client.post("/students/ER-101/restore").status_code == 200
        follower.drain()
        assert follower.roll_numbers == ["ER-101"]
        assert finish().status_code == 204

    follower.drain()
    assert follower.students == []
    assert traces(stored()) == []
    assert len(admin.ask("GET", "/erasures").json()) == 1


def test_a_repeated_erasure_erases_nobody_else(client: TestClient, admin: Person) -> None:
    create(client)

    with paused(client, erasure, "_claim", lambda: erase(admin)) as finish:
        assert erase(admin).status_code == 204  # the same, sent twice
        create(client, name="Someone Else")
        finish()

    assert client.get("/students/ER-101").json()["name"] == "Someone Else"


def test_a_student_restored_and_renamed_during_an_erasure_is_erased_completely_or_not_at_all(
    client: TestClient, admin: Person
) -> None:
    create(client)

    with paused(client, erasure, "_claim", lambda: erase(admin)) as finish:
        assert client.post("/students/ER-101/restore").status_code == 200
        assert client.post("/students/ER-101/rename", json={"roll_no": "ER-102"}).status_code == 200
        finish()

    erased = client.get("/students/ER-102").status_code == 404
    versions_left = client.get("/students/ER-102/history").json()
    assert erased or len(versions_left) == 4


@pytest.mark.parametrize("after", [False, True])
def test_an_interrupted_erasure_is_finished_at_the_next_start(
    client: TestClient, admin: Person, stored: Stored, after: bool
) -> None:
    create(client)

    with dying(collection(StudentVersion), "delete_many", after=after):
        assert erase(admin).status_code == 500
    assert client.get("/students/ER-101/history").status_code == 404
    assert client.post("/students/ER-101/restore").status_code == 404
    start_again(client)

    assert traces(stored()) == []
    (row,) = admin.ask("GET", "/erasures").json()
    assert row["who"] == "principal"
