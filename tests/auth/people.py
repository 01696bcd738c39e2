"""Users of every role, for tests over HTTP."""

from dataclasses import dataclass, field

from fastapi.testclient import TestClient
from httpx2 import Response

from core.identity import Role
from core.settings import Settings, use_settings
from modules.auth import admins, service
from modules.auth.models import User
from modules.auth.schemas import UserCreate

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
    """Make an account of this role, as the command line does, and sign it in."""
    assert client.portal

    async def create() -> None:
        use_settings(settings)
        data = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        user = await service.create(UserCreate.model_validate(data), role)
        if role is Role.ADMIN:
            await admins.enter(user)

    client.portal.call(create)
    return signed_in(client, name)


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
