"""What the tests of a module need, whichever module it is: people, students, what is stored, and jobs.

The functions without a client concern the app that the test opened last.
"""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.identity import Role
from core.module import Module
from core.registry import discover
from modules.students import CHANGED
from modules.students.changes import delivery
from modules.students.changes import service as changes
from modules.students.models import ChangeFollower
from tests.auth.people import Person, insert_user
from tests.processes import until
from tests.students.listing import store

Document = dict[str, Any]

_opened: list[tuple[TestClient, Database[Document]]] = []


def opened(client: TestClient, database: Database[Document]) -> None:
    """Remember the client and the database of the app that a test has opened. `tests/apps.py` calls this."""
    _opened[:] = [(client, database)]


class _People:
    """Makes users of each role, who are signed in."""

    def admin(self, client: TestClient, name: str = "principal") -> Person:
        """Return a new user with the role admin."""
        return _person(client, name, Role.ADMIN)

    def teacher(self, client: TestClient, name: str = "teacher") -> Person:
        """Return a new user with the role teacher."""
        return _person(client, name, Role.TEACHER)

    def viewer(self, client: TestClient, name: str = "viewer") -> Person:
        """Return a new user with the role viewer."""
        return _person(client, name, Role.VIEWER)


def _person(client: TestClient, name: str, role: Role) -> Person:
    app: Any = client.app
    return insert_user(client, app.state.settings, name, role)


class _Students:
    """Makes students."""

    def make(self, client: TestClient, count: int = 1, **fields: Any) -> list[str]:
        """Store this many students with one command, and return their roll numbers: S001, S002 and so on.

        `fields` are the same for all of them. The students are as if each had just been created over HTTP.
        """
        roll_nos = [f"S{number:03}" for number in range(1, count + 1)]
        usual = {"branch": "Physics", "marks": {}, **fields}
        store(client, ({"roll_no": one, "name": f"Student {one}", **usual} for one in roll_nos))
        return roll_nos


people = _People()
students = _Students()


def stored(collection: str) -> list[Document]:
    """Return all documents of a collection, sorted by `_id`."""
    _, database = _opened[-1]
    return list(database[collection].find(sort=[("_id", 1)]))


def caught_up() -> None:
    """Wait until each change of a student is in the feed of changes, and each module that follows it has got it."""
    client, _ = _opened[-1]
    assert client.portal
    client.portal.call(_number_all_changes)
    until(lambda: client.portal and client.portal.call(_all_are_delivered))


async def _number_all_changes() -> None:
    token: str | None = None
    while True:
        answer = await changes.since(token, 500)
        token = answer.next
        if not answer.more:
            return


def deliver(client: TestClient) -> None:
    """Do what `deliver_changes` does, in the event loop of the client's app."""
    assert client.portal
    client.portal.call(deliver_changes)


async def deliver_changes() -> None:
    """Deliver the changes to each module that follows them, as far as its handler works."""
    while any([await delivery.deliver_to(module) for module in CHANGED.followers()]):
        pass


async def _all_are_delivered() -> bool:
    await deliver_changes()
    followers = [await ChangeFollower.get(module) for module in CHANGED.followers()]
    return not any([(await changes.entries_after(one.position, 1)).students for one in followers if one])


def run_job(client: TestClient, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the work of a job once, in the event loop of the client's app, whether or not it is due. Raise its error."""
    assert isinstance(client.app, FastAPI)
    assert client.portal
    assert work in [runner.job.work for runner in client.app.state.jobs], "no module of the app declares this job"
    client.portal.call(work)


def without_jobs() -> list[Module]:
    """Return the modules of the service without their jobs, so that a test decides when their work is done."""
    return [replace(module, jobs=()) for module in discover()]
