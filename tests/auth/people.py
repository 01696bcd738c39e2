"""Create users of any role and sign them in, for tests over HTTP."""

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
    """A user with a token. Several users may share a client."""

    client: TestClient
    name: str
    token: str = field(repr=False)

    def ask(self, method: str, path: str, json: object = None) -> Response:
        """Send a request with this user's token."""
        return self.client.request(method, path, json=json, headers={"Authorization": f"Bearer {self.token}"})

    def is_signed_in(self) -> bool:
        """Return whether the token is still valid."""
        return self.ask("GET", "/me").status_code == 200


def make(client: TestClient, settings: Settings, name: str, role: Role) -> Person:
    """Create an account with this role, and sign it in."""
    insert_user(client, settings, name, role)
    return signed_in(client, name)


def insert_user(client: TestClient, settings: Settings, name: str, role: Role) -> Person:
    """Insert an account with this role, and issue a token for it. This is ten times as fast as through the API."""
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
            password_prepared=True,
            secret_key=new_secret_key(),
            role=role,
        )
        await user.insert()
        if role is Role.ADMIN:
            await admin_roster.add(user)
        return tokens.issue(user).access_token

    return Person(client, name, client.portal.call(create))


_hash_of = cache(hash_password)


def as_teacher(client: TestClient, settings: Settings) -> TestClient:
    """Let `client` send the token of a new teacher, `alice`, from now on."""
    person = insert_user(client, settings, "alice", Role.TEACHER)
    client.headers["Authorization"] = f"Bearer {person.token}"
    return client


def signed_in(client: TestClient, name: str, password: str = PASSWORD) -> Person:
    """Sign an existing user in."""
    answer = client.post("/login", data={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    return Person(client, name, answer.json()["access_token"])


async def stored(name: str) -> User:
    """Return an account from the database. Call this through the client's portal."""
    user = await service.find(name)
    assert user
    return user
