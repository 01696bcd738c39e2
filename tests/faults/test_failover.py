"""A replica set of three that loses its primary under load: killed, and hung."""

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

KILLS = int(os.environ.get("FAILOVER_KILLS", "5"))
HANGS = int(os.environ.get("FAILOVER_HANGS", "1"))


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    with replica_set_of_three(tmp_path_factory.mktemp("replica-set")) as replica_set:
        yield replica_set


@contextmanager
def under_load(folder: Path, replica_set: ReplicaSet, database: str) -> Iterator[Load]:
    """A service that is written to meanwhile; afterwards each write is there as often as it should be."""
    environment = MARKS | {"MONGODB_URL": replica_set.url, "MONGODB_DATABASE": database}
    with serve(folder, **environment) as server:
        with Load(server.url) as load:
            yield load
        print(f"\n{database}: {load.summary()}")
        assert load.remaining_dependencies() == []
        check_written(server.url, load)
    assert "No problems found." in command(folder, "check", "--data", **environment)


def test_no_write_is_lost_or_doubled_when_the_primary_is_killed(tmp_path: Path, replica_set: ReplicaSet) -> None:
    took = []
    with under_load(tmp_path, replica_set, "killed") as load:
        for _ in range(KILLS):
            load.at_work()
            primary = replica_set.primary()
            killed = monotonic()
            primary.kill()
            took.append(load.recovery(killed))
            primary.start()
            until(replica_set.is_whole)
        print(f"\n{KILLS} kills, back after {[round(one, 2) for one in took]} s")


def test_no_write_is_lost_or_doubled_when_the_primary_hangs(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """It is stopped until another one is elected and writes get through, and then goes on as if nothing had been."""
    took = []
    with under_load(tmp_path, replica_set, "hung") as load:
        for _ in range(HANGS):
            load.at_work()
            primary = replica_set.primary()
            hung = monotonic()
            primary.pause()
            try:
                took.append(load.recovery(hung))
                load.at_work()
            finally:
                primary.resume()
            until(replica_set.is_whole)
            load.at_work()
        print(f"\n{HANGS} hangs, back after {[round(one, 2) for one in took]} s")


def test_without_a_majority_the_service_waits_and_then_says_so(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """Both secondaries are killed: the primary steps down in the midst of writes."""
    with under_load(tmp_path, replica_set, "minority") as load:
        load.at_work()
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
        load.at_work()


def test_what_a_dead_primary_alone_had_is_built_upon_by_nobody(tmp_path: Path, replica_set: ReplicaSet) -> None:
    """A write that no majority has yet is seen by another one, then the primary dies with it, and so does the server
    that would have tried it again."""
    patient = {"MONGODB_URL": f"{replica_set.url}&timeoutMS=60000", "MONGODB_DATABASE": "alone"}
    with two_clients(tmp_path, patient) as (dying, server, living), ThreadPoolExecutor() as pool:
        prepare_a_student(replica_set, living)
        primary = replica_set.primary()
        others = [member for member in replica_set.members if member is not primary]
        for member in others:
            member.kill()

        unheard = pool.submit(give, dying, "unheard", 1)
        until(lambda: primary.is_writing_to("students"))
        heard = pool.submit(give, living, "heard", 2)
        until(lambda: primary.is_writing_to("student_history"))
        primary.kill()
        server.kill()
        for member in others:
            member.start()

        with pytest.raises(httpx2.TransportError):
            unheard.result()
        assert heard.result() == 200
        assert give(living, "later", 3) == 200
        marks = living.get("/students/S1").json()["marks"]
        assert list(applied(living, "S1", marks)) == [("S1", "heard", 2), ("S1", "later", 3)]
        primary.start()
        until(replica_set.is_whole)


@contextmanager
def two_clients(folder: Path, environment: dict[str, str]) -> Iterator[tuple[httpx2.Client, Server, httpx2.Client]]:
    """Signed-in clients of two processes of the service: of one that may be killed, that one, and of another one."""
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
    """A student whose first version has been copied to the history already, as by a writer who died thereafter: so the
    next write needs nothing of a majority until it has changed the record."""
    assert client.post("/students", json={"roll_no": "S1", "name": "n", "branch": "b"}).status_code == 201
    with MongoClient[dict[str, Any]](replica_set.url, w="majority") as mongo:
        record = mongo["alone"]["students"].find_one({"roll_no": "S1"})
        assert record
        kept = {name: value for name, value in record.items() if name not in ("_id", "keys", "erasing", "unsequenced")}
        mongo["alone"]["student_history"].insert_one({"student": record["_id"], **kept})


def give(client: httpx2.Client, subject: str, mark: int) -> int:
    """Give the student a mark; the answer's status."""
    return client.put(f"/students/S1/marks/{subject}", json={"mark": mark}).status_code
