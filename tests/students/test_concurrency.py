"""Many concurrent writes of one student, on real servers: no acknowledged change is lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx2
import pytest

from tests.servers import Server, serve
from tests.test_serving import signed_in

pytestmark = pytest.mark.process

JSON = dict[str, Any]

WRITERS = 20
FRESH: JSON = {"name": "Asha Rao", "branch": "Physics", "marks": {}}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Return a signed-in client of a server that all tests share. Each test has students of its own."""
    with serve(tmp_path_factory.mktemp("server")) as server, signed_in(server) as client:
        yield client


def at_once(send: Callable[[int], httpx2.Response], writers: int = WRITERS) -> list[httpx2.Response]:
    """Send requests at the same moment, each from a thread of its own. Return the responses."""
    barrier = Barrier(writers)

    def wait_and_send(number: int) -> httpx2.Response:
        barrier.wait()
        return send(number)

    with ThreadPoolExecutor(writers) as pool:
        return list(pool.map(wait_and_send, range(writers)))


def statuses(answers: list[httpx2.Response]) -> dict[int, int]:
    """Count the responses by status."""
    return dict(Counter(answer.status_code for answer in answers))


def create(client: httpx2.Client, roll_no: str) -> str:
    """Create a student. Return the ETag."""
    answer = client.post("/students", json=FRESH | {"roll_no": roll_no})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["etag"])


def history(client: httpx2.Client, roll_no: str) -> list[JSON]:
    """Return the versions, oldest first."""
    found: list[JSON] = client.get(f"/students/{roll_no}/history?limit=500").json()
    return found[::-1]


def numbers(versions: list[JSON]) -> list[int]:
    return [one["version"] for one in versions]


def test_one_of_many_writes_with_the_same_if_match_is_done(client: httpx2.Client) -> None:
    tag = create(client, "same")

    answers = at_once(
        lambda number: client.patch("/students/same", json={"name": f"Name {number}"}, headers={"If-Match": tag})
    )

    assert statuses(answers) == {200: 1, 412: WRITERS - 1}
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert {answer.headers["etag"] for answer in answers} == {winner.headers["etag"]} != {tag}
    assert client.get("/students/same").json() == winner.json()
    created, updated = history(client, "same")
    assert (created["version"], updated["version"]) == (1, 2)
    assert updated["changes"] == [{"field": "name", "from": "Asha Rao", "to": winner.json()["name"]}]


def check_all_subjects(client: httpx2.Client, roll_no: str, answers: list[httpx2.Response]) -> None:
    """Check that each writer's subject is stored, and that each version added exactly one of them."""
    assert statuses(answers) == {200: WRITERS}
    assert len({answer.headers["etag"] for answer in answers}) == WRITERS
    expected = {f"subject {number}": number for number in range(WRITERS)}
    assert client.get(f"/students/{roll_no}").json()["marks"] == expected
    versions = history(client, roll_no)
    assert numbers(versions) == list(range(1, WRITERS + 2))
    changes = [change for one in versions[1:] for change in one["changes"]]
    assert [len(one["changes"]) for one in versions[1:]] == [1] * WRITERS
    assert all(change["from"] is None for change in changes)
    assert {change["field"].removeprefix("marks."): change["to"] for change in changes} == expected
    records = [client.get(f"/students/{roll_no}/history/{number}").json() for number in numbers(versions)]
    assert [len(record["student"]["marks"]) for record in records] == list(range(WRITERS + 1))


def test_concurrent_patches_of_different_subjects_are_all_done(client: httpx2.Client) -> None:
    create(client, "subjects")

    answers = at_once(lambda number: client.patch("/students/subjects", json={"marks": {f"subject {number}": number}}))

    check_all_subjects(client, "subjects", answers)


def test_concurrent_writes_of_single_marks_are_all_done(client: httpx2.Client) -> None:
    create(client, "marks")

    answers = at_once(lambda number: client.put(f"/students/marks/marks/subject {number}", json={"mark": number}))

    check_all_subjects(client, "marks", answers)


@contextmanager
def separate_clients(server: Server, token: str) -> Iterator[list[httpx2.Client]]:
    """Open clients with a connection each, so that the kernel spreads them over the workers."""
    clients = [httpx2.Client(base_url=server.url, headers={"Authorization": token}, timeout=60) for _ in range(WRITERS)]
    yield clients
    for client in clients:
        client.close()


def test_concurrent_writes_at_two_worker_processes_are_all_done(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", "2") as server, signed_in(server) as client:
        create(client, "S1")
        with separate_clients(server, client.headers["Authorization"]) as clients:
            answers = at_once(
                lambda number: clients[number].patch("/students/S1", json={"marks": {f"subject {number}": number}})
            )

        check_all_subjects(client, "S1", answers)


def test_one_of_many_concurrent_creations_is_done(client: httpx2.Client) -> None:
    answers = at_once(lambda number: client.post("/students", json=FRESH | {"roll_no": "new", "name": f"N{number}"}))

    assert statuses(answers) == {201: 1, 409: WRITERS - 1}
    winner = next(answer for answer in answers if answer.status_code == 201)
    assert client.get("/students/new").json() == winner.json()
    assert numbers(history(client, "new")) == [1]


@pytest.mark.parametrize(
    ("continues", "actions"), [("true", ["created", "deleted", "created"]), ("false", ["created"])]
)
def test_one_of_many_creations_of_a_deleted_student_is_done(
    client: httpx2.Client, continues: str, actions: list[str]
) -> None:
    number_given_again = f"again-{continues}"
    create(client, number_given_again)
    assert client.delete(f"/students/{number_given_again}").status_code == 204

    answers = at_once(
        lambda number: client.post(
            f"/students?continue={continues}", json=FRESH | {"roll_no": number_given_again, "name": f"N{number}"}
        )
    )

    assert statuses(answers) == {201: 1, 409: WRITERS - 1}
    winner = next(answer for answer in answers if answer.status_code == 201)
    assert client.get(f"/students/{number_given_again}").json() == winner.json()
    assert [(one["version"], one["action"]) for one in history(client, number_given_again)] == list(
        enumerate(actions, start=1)
    )


def test_one_of_many_puts_with_if_none_match_is_done(client: httpx2.Client) -> None:
    answers = at_once(
        lambda number: client.put("/students/put", json=FRESH | {"name": f"N{number}"}, headers={"If-None-Match": "*"})
    )

    assert statuses(answers) == {201: 1, 412: WRITERS - 1}
    winner = next(answer for answer in answers if answer.status_code == 201)
    assert client.get("/students/put").json() == winner.json()
    assert numbers(history(client, "put")) == [1]


def test_one_of_many_renamings_to_the_same_number_is_done(client: httpx2.Client) -> None:
    for old in range(WRITERS):
        create(client, f"old-{old}")

    answers = at_once(lambda old: client.post(f"/students/old-{old}/rename", json={"roll_no": "wanted"}))

    assert statuses(answers) == {200: 1, 409: WRITERS - 1}
    for old, answer in enumerate(answers):
        won = answer.status_code == 200
        assert client.get(f"/students/old-{old}").status_code == (404 if won else 200)
        assert numbers(history(client, "wanted" if won else f"old-{old}")) == ([1, 2] if won else [1])


def test_one_of_many_concurrent_deletions_is_done(client: httpx2.Client) -> None:
    create(client, "gone")

    answers = at_once(lambda _: client.delete("/students/gone"))

    assert statuses(answers) == {204: 1, 404: WRITERS - 1}
    assert [one["action"] for one in history(client, "gone")] == ["created", "deleted"]
