"""What the tests of a module need, whichever module it is: people, students, and what is stored.

The functions without a client concern the app that the test opened last.
"""

from typing import Any

from fastapi.testclient import TestClient
from pymongo.database import Database

from core.identity import Role
from modules.students.changes import service as changes
from tests.auth.people import Person, insert_user
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
    """Wait until each change of a student is in the feed of changes."""
    client, _ = _opened[-1]
    assert client.portal
    client.portal.call(_number_all_changes)


async def _number_all_changes() -> None:
    token: str | None = None
    while True:
        answer = await changes.since(token, 500)
        token = answer.next
        if not answer.more:
            return
