"""Limits of concurrent imports per process and per user, so that one user cannot block the others."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from threading import Event

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo.database import Database

from core.identity import Role
from core.settings import Settings
from modules.transfers.imports import import_job, job_runner
from modules.transfers.models import Import, Verify
from tests.auth.people import Person, make
from tests.processes import until
from tests.transfers.helpers import JSON, table

FILE = table([["roll_no", "name", "branch"], ["S1", "Asha", "Physics"]])
BUSY = ("/problems/unavailable", 503)
TOO_MANY = ("/problems/too-many-imports", 429)


@pytest.fixture
def may_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Keep imports running until the returned event is set."""
    event = Event()
    carry_out = import_job.run

    async def wait(job: Import, *, verify: Verify) -> None:
        await asyncio.to_thread(event.wait, 60)
        await carry_out(job, verify=verify)

    monkeypatch.setattr(import_job, "run", wait)
    yield event
    event.set()
    until(lambda: not job_runner._slots)


@pytest.fixture
def people(client: TestClient, settings: Settings) -> list[Person]:
    return [make(client, settings, name, Role.TEACHER) for name in ("amy", "bob", "eve")]


def post(person: Person, content: str | Iterable[bytes], path: str = "/imports", **headers: str) -> Response:
    headers |= {"Authorization": f"Bearer {person.token}", "Content-Type": "text/csv"}
    return person.client.post(path, content=content, headers=headers)


def start(person: Person, path: str = "/imports", **headers: str) -> Response:
    """Request an import or a similar job without waiting for its end."""
    return post(person, FILE, path, Prefer="respond-async", **headers)


def refusal(answer: Response) -> tuple[str, int]:
    assert "Retry-After" in answer.headers
    return answer.json()["type"], answer.status_code


def test_one_user_cannot_block_the_imports_of_others(people: list[Person], may_end: Event) -> None:
    amy, bob, eve = people

    assert [start(amy).status_code for _ in range(job_runner.MAX_OF_USER)] == [202] * job_runner.MAX_OF_USER
    assert refusal(start(amy)) == TOO_MANY
    begun = start(bob)
    assert begun.status_code == 202
    assert refusal(start(eve)) == BUSY
    assert refusal(start(eve, f"/imports/{begun.json()['id']}/undo")) == BUSY

    may_end.set()
    until(lambda: not job_runner._slots)
    assert start(eve).status_code == 202


def test_a_file_sent_again_during_its_import_is_recognized(people: list[Person], may_end: Event) -> None:
    first, again = [start(people[0], **{"Idempotency-Key": "autumn"}) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 200, first.json()["id"])


def test_an_upload_that_is_refused_at_its_end_stores_nothing(people: list[Person], database: Database[JSON]) -> None:
    with ExitStack() as others:

        def upload() -> Iterator[bytes]:
            """Send a file, while others take all slots for jobs."""
            yield FILE[:10].encode()
            for number in range(job_runner.MAX_AT_ONCE):
                others.enter_context(job_runner.hold_slot(f"user {number}")).reserve_job()
            yield FILE[10:].encode()

        assert refusal(post(people[0], upload())) == BUSY
        assert len(job_runner._slots) == job_runner.MAX_AT_ONCE
    assert job_runner._slots == []
    assert [database[name].count_documents({}) for name in ("imports", "import_files")] == [0, 0]


def test_refused_requests_free_their_slots(people: list[Person]) -> None:
    undo = partial(start, people[0], f"/imports/{'0' * 24}/undo")
    assert [undo().status_code for _ in range(job_runner.MAX_AT_ONCE + 1)] == [404] * (job_runner.MAX_AT_ONCE + 1)
    assert job_runner._slots == []
