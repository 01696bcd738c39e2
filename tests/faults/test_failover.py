"""A replica set of three members that loses its primary under load: it is killed, or it hangs."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest
from pymongo import MongoClient

from tests.core.test_backup import command
from tests.faults.load import MARKS, Load, applied, check_written, sign_in
from tests.processes import until
from tests.replica_set import ReplicaSet, replica_set_of_three
from tests.servers import Server, serve

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("FAILOVER_KILLS", "3"))
HANGS = int(os.environ.get("FAILOVER_HANGS", "1"))


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    with replica_set_of_three(tmp_path_factory.mktemp("replica-set")) as replica_set:
        yield replica_set


@contextmanager
def under_load(folder: Path, replica_set: ReplicaSet, database: str) -> Iterator[Load]:
    """Run a service under a load of writes. Afterwards, check that each write is stored as often as it should be."""
    environment = MARKS | {"MONGODB_URL": replica_set.url, "MONGODB_DATABASE": database}
    with serve(folder, **environment) as server:
        with Load(server.url) as load:
            yield load
        print(f"\n{database}: {load.summary()}")
        assert load.writes_without_response() == []
        check_written(server.url, load)
    assert "No problems found." in command(folder, "check", "--data", **environment)


def test_no_write_is_lost_or_duplicated_when_the_primary_is_killed(tmp_path: Path, replica_set: ReplicaSet) -> None:
    took = []
    with under_load(tmp_path, replica_set, "killed") as load:
        for _ in range(KILLS):
            load.wait_for_writes()
            primary = replica_set.primary()
            killed = monotonic()
            primary.kill()
            took.append(load.recovery(killed))
            primary.start()
            until(replica_set.is_whole)
        print(f"\n{KILLS} kills, back after {[round(one, 2) for one in took]} s")


def test_no_write_is_lost_or_duplicated_when_the_primary_hangs(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """The primary is suspended until another one is elected and accepts writes, and then continues."""
    took = []
    with under_load(tmp_path, replica_set, "hung") as load:
        for _ in range(HANGS):
            load.wait_for_writes()
            primary = replica_set.primary()
            hung = monotonic()
            primary.pause()
            try:
                took.append(load.recovery(hung))
                load.wait_for_writes()
            finally:
                primary.resume()
            until(replica_set.is_whole)
            load.wait_for_writes()
        print(f"\n{HANGS} hangs, back after {[round(one, 2) for one in took]} s")


def test_without_a_majority_writes_wait_and_then_get_503(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """Both secondaries are killed: the primary steps down during the writes."""
    with under_load(tmp_path, replica_set, "minority") as load:
        load.wait_for_writes()
        primary = replica_set.primary()
        others = [member for member in replica_set.members if member is not primary]
        for member in others:
            member.kill()
        until(lambda: sum(one.status == 503 for one in load.writes) > 8)
        for member in others:
            member.start()
        started = monotonic()
        print(f"\nback {load.recovery(started):.2f} s after the others")
        until(replica_set.is_whole)
        load.wait_for_writes()


def test_no_write_is_based_on_a_version_that_only_a_dead_primary_had(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """A second write sees a first one that no majority has yet. Then the primary is killed, and so is the server that
    would have tried the first write again."""
    environment = {"MONGODB_URL": f"{replica_set.url}&timeoutMS=60000", "MONGODB_DATABASE": "alone"}
    with two_clients(tmp_path, environment) as (dying, server, living), ThreadPoolExecutor() as pool:
        prepare_a_student(replica_set, living)
        primary = replica_set.primary()
        others = [member for member in replica_set.members if member is not primary]
        for member in others:
            member.kill()

        first = pool.submit(give, dying, "first", 1)
        until(lambda: primary.is_writing_to("students"))
        second = pool.submit(give, living, "second", 2)
        until(lambda: primary.is_writing_to("student_history"))
        primary.kill()
        server.kill()
        for member in others:
            member.start()

        with pytest.raises(httpx2.TransportError):
            first.result()
        assert second.result() == 200
        assert give(living, "later", 3) == 200
        marks = living.get("/students/S1").json()["marks"]
        assert list(applied(living, "S1", marks)) == [("S1", "second", 2), ("S1", "later", 3)]
        primary.start()
        until(replica_set.is_whole)


@contextmanager
def two_clients(folder: Path, environment: dict[str, str]) -> Iterator[tuple[httpx2.Client, Server, httpx2.Client]]:
    """Start two servers. Yield a signed-in client of the first, the first server, and such a client of the second."""
    folders = [folder / "one", folder / "other"]
    for one in folders:
        one.mkdir()
    with (
        serve(folders[0], **environment) as server,
        serve(folders[1], **environment) as other,
        server.client() as dying,
        other.client() as living,
    ):
        yield sign_in(dying), server, sign_in(living)


def prepare_a_student(replica_set: ReplicaSet, client: httpx2.Client) -> None:
    """Create a student whose first version is already in the history, as if a writer had died after the copy.

    So the next write needs no majority until it has changed the record. Nor does it have to store a new subject.
    """
    other = {"roll_no": "S0", "name": "n", "branch": "b", "marks": {"first": 0, "second": 0, "later": 0}}
    assert client.post("/students", json=other).status_code == 201
    assert client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201
    with MongoClient[dict[str, Any]](replica_set.url, w="majority") as mongo:
        record = mongo["alone"]["students"].find_one({"roll_no": "S1"})
        assert record
        current = ("_id", "keys", "erasing", "former", "merge", "absorbed", "unsequenced")
        kept = {name: value for name, value in record.items() if name not in current}
        mongo["alone"]["student_history"].insert_one({"student": record["_id"], **kept})


def give(client: httpx2.Client, subject: str, mark: int) -> int:
    """Give the student a mark. Return the status."""
    return client.put(f"/students/S1/marks/{subject}", json={"mark": mark}).status_code
