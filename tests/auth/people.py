"""Users of every role, for tests over HTTP."""

from dataclasses import dataclass, field
from functools import cache

from fastapi.testclient import TestClient
from httpx2 import Response

from core.identity import Role
from core.security import hash_password, new_secret_key
from core.settings import Settings, use_settings
from modules.auth import admin_roster, service, tokens
from modules.auth.models import User
from modules.auth.settings import AuthSettings

PASSWORD = "giraffe-9-umbrella"


@dataclass
class Person:
    """A user with a token, on a client that they share with others."""

    client: TestClient
    name: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, json: object = None) -> Response:
        """Send a request with this user's token."""
        return self.client.request(method, path, json=json, headers={"Authorization": f"Bearer {self.token}"})

    def is_signed_in(self) -> bool:
        """Whether the token is still believed."""
        return self.ask("GET", "/me").status_code == 200


def make(client: TestClient, settings: Settings, name: str, role: Role) -> Person:
    """Make an account of this role, and sign it in."""
    enter(client, settings, name, role)
    return signed_in(client, name)


def enter(client: TestClient, settings: Settings, name: str, role: Role) -> Person:
    """Make an account of this role and a token for it, where the app runs: ten times as fast as through the API."""
    assert client.portal

    async def create() -> str:
        use_settings(settings)
        email = f"{name}@example.com"
        user = User(
            username=name,
            username_key=name.lower(),
            email=email,
            email_key=email.lower(),
            password=_hash_of(PASSWORD, AuthSettings.current().bcrypt_cost),
            secret_key=new_secret_key(),
            role=role,
        )
        await user.insert()
        if role is Role.ADMIN:
            await admin_roster.enter(user)
        return tokens.issue(user).access_token

    return Person(client, name, client.portal.call(create))


_hash_of = cache(hash_password)


def as_teacher(client: TestClient, settings: Settings) -> TestClient:
    """Let `client` send the token of a teacher, `alice`, from now on."""
    person = enter(client, settings, "alice", Role.TEACHER)
    client.headers["Authorization"] = f"Bearer {person.token}"
    return client


def signed_in(client: TestClient, name: str, password: str = PASSWORD) -> Person:
    """Sign an existing user in."""
    answer = client.post("/login", data={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    return Person(client, name, answer.json()["access_token"])


async def stored(name: str) -> User:
    """The account as it is in the database; call it through the client's portal."""
    user = await service.find(name)
    assert user
    return user
