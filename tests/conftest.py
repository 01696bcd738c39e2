"""What all tests share: one real mongod for the whole run, and clients of an app on a database of its own."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

import core.database
from core.app import create_app
from core.discovery import discover
from core.embedded import find_mongod, run_embedded
from core.module import Module
from core.settings import ModuleChoice, ModuleSettings, Settings, variables
from tests.relay import Relay
from tests.terminal import Terminal

AppClient = Callable[..., TestClient]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, aloud, what needs packages that only requirements-dev.txt brings: `@pytest.mark.needs("playwright")`."""
    missing = [name for mark in item.iter_markers("needs") for name in mark.args if not find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: pip install -r requirements-dev.txt, then run this again")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the shell or the `.env` of whoever runs the tests."""
    kinds: list[type[ModuleChoice | ModuleSettings]] = [ModuleChoice, Settings, *settings_of_modules()]
    for kind in kinds:
        for name in variables(kind):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setitem(kind.model_config, "env_file", None)


def settings_of_modules() -> list[type[ModuleSettings]]:
    """The settings that the service's modules declare."""
    return [module.settings for module in discover() if module.settings]


def configured(settings: Settings, **changes: object) -> Settings:
    """The same settings, some of them changed: process-wide ones, and those of the modules, by their variables."""
    ours = {name: value for name, value in changes.items() if name in Settings.model_fields}
    parts = []
    for kind in settings_of_modules():
        fields = {field: name.lower() for name, field in variables(kind).items()}
        theirs = {field: changes[name] for field, name in fields.items() if name in changes}
        parts += [settings.part(kind).model_copy(update=theirs)] if theirs else []
    return settings.model_copy(update=ours).with_parts(*parts)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real mongod: the service's own embedded one, on data of its own."""
    data = tmp_path_factory.mktemp("data")
    mongod = find_mongod(None, data)
    assert mongod, "the wheel in requirements.txt brings a mongod"
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(run_embedded(mongod, data)) as embedded:
        yield embedded.url


@pytest.fixture
def relay(mongodb_url: str) -> Iterator[Relay]:
    """The way to that mongod for who must lose it, or find it slow."""
    with start_blocking_portal() as portal:
        relay = Relay(portal, parse_uri(mongodb_url)["nodelist"][0][0])
        yield relay
        relay.shut()


@pytest.fixture
def database_name(mongodb_url: str) -> Iterator[str]:
    """A database that is empty at first. Its collections stay, and with them the indexes, which take long to make."""
    name = "tests"
    yield name
    with MongoClient[dict[str, object]](mongodb_url) as client:
        # A command that ends late may bring the server's profile back, which cannot be emptied.
        client[name]["system.profile"].drop()
        for collection in client[name].list_collection_names():
            client[name][collection].delete_many({})


@pytest.fixture
def settings(mongodb_url: str, database_name: str) -> Settings:
    """Settings for the real mongod, with passwords hashed as cheaply as bcrypt can."""
    own = {"mongodb_url": mongodb_url, "mongodb_database": database_name, "log_level": "WARNING"}
    return configured(Settings.model_validate(own), bcrypt_cost=4)


@pytest.fixture
def open_client(settings: Settings) -> Iterator[AppClient]:
    """Opens clients of apps that are started and stopped: `open_client(modules=…, marks_max=…)`."""
    opened: list[TestClient] = []

    def open_client(modules: Sequence[Module] | None = None, **changes: object) -> TestClient:
        app = create_app(configured(settings, **changes), modules)
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield open_client
    for client in reversed(opened):
        client.__exit__(None, None, None)


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    """A client of the whole service, nobody signed in, on the real mongod."""
    return open_client()


@pytest.fixture(params=["mongod", "memory"])
def any_client(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Like `client`, once on the real mongod and once on mongomock-motor."""
    if request.param == "mongod":
        return open_client()
    monkeypatch.setattr(core.database, "find_mongod", lambda *_: None)
    return open_client(mongodb_url=None, allow_memory_db=True)


@pytest.fixture
def terminal(settings: Settings, tmp_path: Path) -> Terminal:
    return Terminal(settings, tmp_path)


def sign_in(client: TestClient, username: str = "alice", password: str = "secure123") -> TestClient:
    """Register a user and let `client` send that user's token from now on."""
    body = {"username": username, "email": f"{username}@example.com", "password": password}
    assert client.post("/register", json=body).status_code == 201
    token = client.post("/login", data={"username": username, "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client
