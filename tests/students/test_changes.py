"""The feed of changes: a consumer that follows it ends with an exact copy, whatever writers and other readers do."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event

import httpx2
import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.errors import BulkWriteError

from core.api.pagination import encode_cursor
from core.errors import Problem
from core.identity import Role
from core.settings import Settings, use_settings
from modules.students import service
from modules.students.changes import service as changes
from modules.students.erasure import service as erasure
from modules.students.history import service as history
from modules.students.models import Change, StudentDocument
from modules.students.records import write_batch
from modules.students.records.store import StudentNotFound, Writer
from modules.students.schemas import StudentCreate, StudentRead
from tests.auth.people import Person, make
from tests.servers import PATIENCE, serve
from tests.students.follower import Follower, Json, Schedule, paused

# Set SCHEDULES to test more interleavings: see CONTRIBUTING.md.
SCHEDULES = int(os.environ.get("SCHEDULES", "12"))

NEW = {"name": "Asha Rao", "branch": "Physics", "marks": {"math": 91}}


def create(client: TestClient, *roll_numbers: str) -> None:
    for roll_no in roll_numbers:
        assert client.post("/students", json={"roll_no": roll_no, **NEW}).status_code == 201


def give_mark(client: TestClient, roll_no: str, mark: int) -> None:
    assert client.put(f"/students/{roll_no}/marks/math", json={"mark": mark}).status_code == 200


def delete(client: TestClient, roll_no: str) -> None:
    assert client.delete(f"/students/{roll_no}").status_code == 204


def rename(client: TestClient, roll_no: str, new: str) -> None:
    assert client.post(f"/students/{roll_no}/rename", json={"roll_no": new}).status_code == 200


def listed(client: TestClient) -> list[Json]:
    return list(client.get("/students?limit=500").json())


def entries(answer: Json) -> list[tuple[str, bool]]:
    return [(change["roll_no"], change["deleted"]) for change in answer["changes"]]


@pytest.fixture
def follower(client: TestClient) -> Follower:
    return Follower.of(client)


def test_an_empty_feed_returns_a_token_to_continue_with(either: TestClient) -> None:
    follower = Follower.of(either)

    first = follower.step()
    again = follower.step()

    assert (first["changes"], first["more"]) == ([], False)
    assert (again["changes"], again["more"], again["next"]) == ([], False, first["next"])
    create(either, "S1")
    assert entries(follower.step()) == [("S1", False)]


def test_each_change_contains_the_whole_current_student(either: TestClient) -> None:
    follower = Follower.of(either)
    create(either, "S1", "S2")
    follower.drain()
    give_mark(either, "S1", 92)
    give_mark(either, "S1", 93)

    answer = follower.step()

    assert entries(answer) == [("S1", False)]
    assert answer["changes"][0]["student"] == either.get("/students/S1").json()
    assert follower.step()["changes"] == []


def test_a_student_keeps_its_key_when_deleted_restored_renamed_and_recreated(either: TestClient) -> None:
    follower = Follower.of(either)
    create(either, "S1")
    key = follower.step()["changes"][0]["key"]

    delete(either, "S1")
    deleted = follower.step()
    either.post("/students/S1/restore")
    restored = follower.step()
    rename(either, "S1", "S2")
    renamed = follower.step()
    delete(either, "S2")
    assert either.post("/students?continue=true", json={"roll_no": "S2", **NEW}).status_code == 201
    created = follower.step()

    assert deleted["changes"] == [{"key": key, "roll_no": "S1", "deleted": True, "student": None}]
    assert entries(restored) == [("S1", False)]
    assert entries(renamed) == entries(created) == [("S2", False)]
    assert [answer["changes"][0]["key"] for answer in (restored, renamed, created)] == [key] * 3
    assert follower.students == listed(either)


def test_a_write_that_changes_nothing_is_not_in_the_feed(client: TestClient, follower: Follower) -> None:
    create(client, "S1")
    follower.drain()

    give_mark(client, "S1", 91)

    assert follower.step()["changes"] == []


def test_two_reads_with_the_same_token_return_the_same(client: TestClient) -> None:
    create(client, "S1", "S2", "S3")

    first, second = client.get("/changes?limit=2").json(), client.get("/changes?limit=2").json()
    rest, again = (client.get("/changes", params={"since": first["next"]}).json() for _ in range(2))

    assert first == second
    assert first["more"]
    assert rest == again
    assert (entries(rest), rest["more"]) == ([("S3", False)], False)


def test_a_new_consumer_reads_hundreds_of_students_page_by_page(client: TestClient) -> None:
    create(client, *(f"S{number:03}" for number in range(230)))
    follower = Follower.of(client, limit=50)

    follower.drain()

    assert follower.students == listed(client)
    assert 5 <= follower.answers <= 6


@pytest.mark.parametrize("limit", [1, 2, 500])
def test_any_limit_leads_to_the_same_copy(client: TestClient, limit: int) -> None:
    follower = Follower.of(client, limit)
    create(client, "S1", "S2", "S3")
    follower.drain()
    delete(client, "S2")
    rename(client, "S1", "S9")
    create(client, "S4")

    follower.drain()

    assert follower.students == listed(client)
    assert follower.roll_numbers == ["S3", "S4", "S9"]


@pytest.mark.parametrize("query", ["limit=0", "since=" + "x" * 2501, "since=x", "since=%C3%A9"])
def test_a_wrong_parameter_is_named(client: TestClient, query: str) -> None:
    answer = client.get(f"/changes?{query}")

    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: ("B" if token[0] == "A" else "A") + token[1:],
        lambda token: token[:-2],
        lambda token: token + "AA",
        lambda _: encode_cursor("erasures", "1"),
        *[
            lambda _, number=number: encode_cursor(changes._SCOPE, number)
            for number in ("-1", "2", "1.0", "nan", "", str(2**63 - 1), str(2**63), "9" * 100)
        ],
    ],
)
def test_a_token_that_the_feed_never_issued_is_refused(client: TestClient, forge: Callable[[str], str]) -> None:
    create(client, "S1")
    token = client.get("/changes").json()["next"]

    answer = client.get("/changes", params={"since": forge(token)})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/cursor-not-found")
    assert [error["parameter"] for error in answer.json()["errors"]] == ["since"]


def test_a_token_is_opaque(client: TestClient, follower: Follower) -> None:
    create(client, "S1", "S2")
    follower.drain()

    assert follower.token
    assert not {"1", "2", "S1", "S2"} & {follower.token}
    assert follower.token != client.get("/changes?limit=1").json()["next"]


def test_a_viewer_may_follow_and_a_stranger_may_not(client: TestClient, settings: Settings) -> None:
    create(client, "S1")
    viewer = make(client, settings, "vera", Role.VIEWER)

    answer = viewer.ask("GET", "/changes")

    assert entries(answer.json()) == [("S1", False)]
    assert client.get("/changes", headers={"Authorization": ""}).status_code == 401


def test_older_entries_of_a_student_are_deleted(either: TestClient) -> None:
    follower = Follower.of(either)
    create(either, "S1", "S2")
    for mark in range(10):
        give_mark(either, "S1", mark)
        follower.drain()

    assert either.portal
    left = either.portal.call(Change.find().to_list)

    assert len(left) == 2
    assert len({entry.student for entry in left}) == 2
    newcomer = Follower.of(either)
    newcomer.drain()
    assert newcomer.students == follower.students == listed(either)


def test_the_feed_is_read_with_majority_concern(client: TestClient, mongodb_url: str, database_name: str) -> None:
    with MongoClient[Json](mongodb_url) as mongo:
        database = mongo[database_name]
        database.command("profile", 2, filter={"op": "query"})
        try:
            create(client, "S1")
            client.get("/changes")
            reads = list(database.system.profile.find({"command.find": {"$in": ["student_changes", "students"]}}))
        finally:
            database.command("profile", 0, filter="unset")
            database.drop_collection("system.profile")

    concerns = {str(read["command"]): read["command"].get("readConcern", {}).get("level") for read in reads}
    assert len(reads) >= 4
    assert set(concerns.values()) == {"majority"}, concerns


def test_a_writer_that_commits_late_is_not_skipped(client: TestClient, follower: Follower) -> None:
    create(client, "slow", "fast")
    follower.drain()
    before = listed(client)

    with paused(
        client,
        write_batch,
        "_copy_to_history",
        lambda: client.patch("/students/slow", json={"name": "Late"}),
        after=True,
    ) as finish:
        for mark in range(3):
            give_mark(client, "fast", mark)
            assert entries(follower.step()) == [("fast", False)]
        assert follower.students[1] == before[1]
        assert finish().status_code == 200

    assert entries(follower.step()) == [("slow", False)]
    assert follower.students == listed(client)


def test_an_insert_that_commits_late_is_not_skipped(client: TestClient, follower: Follower) -> None:
    with paused(client, write_batch, "_create", lambda: create(client, "slow")) as finish:
        create(client, "fast")
        give_mark(client, "fast", 5)
        follower.drain()
        assert follower.roll_numbers == ["fast"]
        finish()

    assert entries(follower.step()) == [("slow", False)]
    assert follower.students == listed(client)


def test_a_reader_that_assigns_numbers_late_skips_nothing(client: TestClient, follower: Follower) -> None:
    create(client, "S1", "S2")

    with paused(client, changes, "_insert_entries", lambda: client.get("/changes").json()) as finish:
        follower.drain()
        give_mark(client, "S1", 5)
        create(client, "S3")
        follower.drain()
        assert follower.students == listed(client)
        late = finish()

    follower.drain()
    assert sorted(entries(late)) == [("S1", False), ("S2", False), ("S3", False)]
    assert follower.students == listed(client)


def test_a_number_that_was_deleted_is_never_assigned_again(client: TestClient) -> None:
    follower = Follower.of(client, limit=1)
    create(client, "busy")
    follower.drain()
    create(client, "quiet")

    with paused(client, changes, "_insert_entries", lambda: client.get("/changes")) as finish:  # about to assign 2
        for mark in (1, 2):  # another reader assigns number 2, and deletes it for number 3
            give_mark(client, "busy", mark)
            follower.step()
        finish()

    follower.drain()
    assert follower.students == listed(client)


def test_a_student_changed_while_its_number_is_assigned_gets_another_entry(
    client: TestClient, follower: Follower
) -> None:
    create(client, "S1")

    with paused(client, changes, "_confirm_numbers", follower.step) as finish:
        give_mark(client, "S1", 5)
        finish()

    assert entries(follower.step()) == [("S1", False)]
    assert follower.students == listed(client)


def test_a_reader_that_dies_after_assigning_numbers_only_causes_repeated_entries(
    client: TestClient, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1", "S2")

    async def die(*_: object) -> None:
        raise RuntimeError("The process died.")

    with monkeypatch.context() as patch:
        patch.setattr(changes, "_confirm_numbers", die)
        assert client.get("/changes").status_code == 500
    follower.drain()

    assert follower.students == listed(client)
    assert follower.step()["changes"] == []
    assert len(Follower.of(client).step()["changes"]) == 2


@pytest.mark.parametrize("code", [11000, 64])
def test_students_whose_numbers_no_majority_confirmed_get_others(
    client: TestClient, follower: Follower, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    create(client, "S1", "S2")
    taken = [{"index": 1, "code": 11000, "errmsg": "E11000"}] if code == 11000 else []
    concern = [{"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}]

    async def unconfirmed(*_: object) -> None:
        raise BulkWriteError({"writeErrors": taken, "writeConcernErrors": concern, "nInserted": 2 - len(taken)})

    collection = Change.get_motor_collection()
    with monkeypatch.context() as patch:
        patch.setattr(collection, "insert_many", unconfirmed)
        assert client.get("/changes").status_code == 503
    follower.drain()

    assert follower.students == listed(client)


def test_an_insert_error_other_than_a_duplicate_number_is_reported(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1")

    async def refused(*_: object) -> None:
        error = {"index": 0, "code": 121, "errmsg": "Document failed validation"}
        raise BulkWriteError({"writeErrors": [error], "writeConcernErrors": [], "nInserted": 0})

    collection = Change.get_motor_collection()
    with monkeypatch.context() as patch:
        patch.setattr(collection, "insert_many", refused)
        assert client.get("/changes").status_code == 500

    assert entries(client.get("/changes").json()) == [("S1", False)]


@dataclass
class DirectWriter:
    """Writes at random by calling the service directly, and ignores what the service refuses."""

    dice: Random
    roll_numbers: list[str]

    async def write(self, times: int) -> None:
        """Make this many random writes."""
        for _ in range(times):
            with suppress(Problem):
                await self._one(self.dice.choice(self.roll_numbers))

    async def _one(self, roll_no: str) -> None:
        writer, mark = Writer("someone"), self.dice.randrange(100)
        match self.dice.randrange(20):
            case 0:
                await service.delete(roll_no, writer)
            case 1:
                await history.restore(roll_no, 1, writer)
            case 2:
                await service.rename(roll_no, self.dice.choice(self.roll_numbers), writer)
            case 3:
                await erasure.erase(roll_no, writer)
            case _:
                try:
                    await service.set_mark(roll_no, "math", mark, writer)
                except StudentNotFound:
                    await service.create(StudentCreate.model_validate({"roll_no": roll_no, **NEW}), writer)


async def seeds_with_wrong_copies(seeds: range, settings: Settings) -> list[int]:
    """Run writers and consumers in one interleaving per seed. Return the seeds after which a copy was wrong."""
    use_settings(settings)
    wrong = []
    consumers = [Follower(ask=dict, limit=1), Follower(ask=dict, limit=1)]
    for seed in seeds:
        dice = Random(seed)
        busy, *quiet = dice.sample(["S1", "S2", "S3"], 3)
        await DirectWriter(dice, quiet).write(1)
        writers = [DirectWriter(dice, [busy]).write(4), DirectWriter(dice, dice.choice([[busy], quiet])).write(3)]
        await Schedule(seed).run(*writers, *(consumer.step_directly(2) for consumer in consumers))
        for consumer in consumers:
            await consumer.drain_directly()
        stored = await StudentDocument.find({"deleted_at": None}).sort("roll_no").to_list()
        expected = [StudentRead.model_validate(student).model_dump(mode="json") for student in stored]
        if any(consumer.students != expected for consumer in consumers):
            wrong.append(seed)
            consumers = [Follower(ask=dict, limit=consumer.limit) for consumer in consumers]
    return wrong


def test_in_many_interleavings_every_copy_is_exact(client: TestClient, settings: Settings) -> None:
    assert client.portal

    wrong = client.portal.call(seeds_with_wrong_copies, range(SCHEDULES), settings)

    assert not wrong


@dataclass
class HttpWriter:
    """Writes at random over HTTP, and ignores refusals that depend on the state of the student."""

    server: httpx2.Client
    person: Person
    dice: Random

    def write(self, times: int) -> int:
        """Make this many random writes. Return how many of them succeeded."""
        return sum(self._once(f"S{self.dice.randrange(8)}") for _ in range(times))

    def _once(self, roll_no: str) -> bool:
        path, dice = f"/students/{roll_no}", self.dice
        method, address, body = dice.choice(
            [
                ("POST", "/students", {"roll_no": roll_no, **NEW}),
                ("POST", "/students", {"roll_no": roll_no, **NEW}),
                ("PATCH", path, {"marks": {f"subject {dice.randrange(3)}": dice.randrange(100)}}),
                ("PATCH", path, {"name": f"Name {dice.randrange(1000)}"}),
                ("POST", f"{path}/rename", {"roll_no": f"S{dice.randrange(8)}"}),
                ("DELETE", path, None),
                ("POST", f"{path}/restore", None),
                ("DELETE", f"{path}?purge=true", None),
            ]
        )
        headers = {"Authorization": f"Bearer {self.person.token}"}
        answer = self.server.request(method, address, json=body, headers=headers)
        assert answer.status_code in (200, 201, 204, 404, 409), answer.text
        return answer.is_success


@pytest.mark.process
def test_consumers_of_two_workers_keep_exact_copies_while_many_write(
    client: TestClient, settings: Settings, mongodb_url: str, database_name: str, tmp_path: Path
) -> None:
    admin = make(client, settings, "principal", Role.ADMIN)
    database = {"MONGODB_URL": mongodb_url, "MONGODB_DATABASE": database_name}
    written = Event()

    def follow(follower: Follower) -> None:
        while not written.is_set():
            follower.step()
        follower.drain()

    with (
        serve(tmp_path, "--workers", "2", **database) as server,
        server.client() as http,
        ThreadPoolExecutor(6) as pool,
    ):

        def ask(query: Json) -> Json:
            answer = http.get("/changes", params=query, headers={"Authorization": f"Bearer {admin.token}"})
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        followers = [Follower(ask, limit=limit) for limit in (1, 3)]
        following = [pool.submit(follow, follower) for follower in followers]
        try:
            writers = [pool.submit(HttpWriter(http, admin, Random(seed)).write, 60) for seed in range(4)]
            succeeded = [writer.result(PATIENCE) for writer in writers]
        finally:
            written.set()
        for one in following:
            one.result(PATIENCE)

    assert min(succeeded) > 10
    assert [follower.students for follower in followers] == [listed(client)] * 2
