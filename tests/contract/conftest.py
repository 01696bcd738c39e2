"""Fixtures: every discovered module in turn, and an app of only that module on the real mongod."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.app import create_app
from core.errors import StartupError
from core.module import Module
from core.settings import Settings
from modules.auth import login_throttle
from modules.students.subject_catalog import catalog
from tests.apps import Apps, Document, documents_of
from tests.conftest import configured
from tests.contract.behaviour import refuses_a_wrong_body, refuses_wrong_parameters
from tests.contract.declaration import MongoDatabase
from tests.contract.functions import call_functions
from tests.contract.isolation import MODULES, all_used_by, isolated
from tests.contract.lists import create_several, read_pages
from tests.contract.live import Session, create, send_everything
from tests.contract.operations import Operation, operations_of
from tests.contract.traffic import Traffic
from tests.core.stubs import SIGNED_IN
from tests.direct_client import DirectClient
from tests.queries import SentCommands, recorded


@pytest.fixture(scope="module", params=MODULES, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Module:
    found: Module = request.param
    return found


@pytest.fixture(scope="session")
def database(mongodb: MongoClient[dict[str, Any]], worker_id: str) -> MongoDatabase:
    """Return the database of the contract tests of this test process."""
    return mongodb[f"contract_{worker_id}"]


@pytest.fixture(scope="module")
def operations(module: Module) -> list[Operation]:
    return operations_of(module)


@contextmanager
def started(
    module: Module, database: MongoDatabase, mongodb_url: str, sent: SentCommands | None = None
) -> Iterator[DirectClient]:
    """Start an app of only this module, and yield a signed-in client. `sent` records the app's database commands.

    The database contains what the modules that it uses create by their examples, and nothing else.
    """
    database.client.drop_database(database)
    for used in MODULES:
        if used.name in all_used_by(module.name):
            with _opened(used, mongodb_url, database.name) as client:
                create(Session(client, database), operations_of(used))
    with recorded(sent or SentCommands()), _opened(module, mongodb_url, database.name) as client:
        yield client


def _opened(module: Module, mongodb_url: str, database: str) -> AbstractContextManager[DirectClient]:
    return started_with(isolated(module), mongodb_url, database)


@contextmanager
def started_with(modules: Sequence[Module], mongodb_url: str, database: str) -> Iterator[DirectClient]:
    given = {"mongodb_url": mongodb_url, "mongodb_database": database, "log_level": "WARNING"}
    app = create_app(
        configured(Settings.model_validate(given), bcrypt_cost=4, registrations_per_address=10_000), modules
    )
    Apps.stop_all()  # their jobs would use documents that are bound to this app
    running = TestClient(app)
    try:
        running.__enter__()
    except StartupError as error:
        pytest.fail(f"The app does not start. {error}", pytrace=False)
    try:
        assert running.portal
        client = DirectClient(app, running.portal)
        client.headers |= SIGNED_IN
        yield client
    finally:
        running.__exit__(None, None, None)


@pytest.fixture(scope="module")
def traffic(operations: list[Operation]) -> Traffic:
    """Return what the running app does while it answers requests."""
    return Traffic(operations)


@pytest.fixture(scope="module")
def _at_start(
    module: Module, traffic: Traffic, database: MongoDatabase, mongodb_url: str
) -> Iterator[tuple[DirectClient, dict[str, list[Document]]]]:
    with started(module, database, mongodb_url, traffic.sent) as client, traffic.of(client):
        yield client, documents_of(database)


@pytest.fixture(scope="module")
def running(_at_start: tuple[DirectClient, dict[str, list[Document]]]) -> DirectClient:
    return _at_start[0]


@pytest.fixture(scope="module")
def session(
    module: Module,
    traffic: Traffic,
    _at_start: tuple[DirectClient, dict[str, list[Document]]],
    database: MongoDatabase,
) -> Session:
    """Send all documented requests, and many wrong ones, and call the module's other functions. At first, the database
    is as it was at the start."""
    client, documents = _at_start
    _restore(documents, database)
    return observe(module, client, database, traffic)


@pytest.fixture
def created(
    operations: list[Operation], _at_start: tuple[DirectClient, dict[str, list[Document]]], database: MongoDatabase
) -> Callable[[], None]:
    """Make the database what it was at the start, and return a function that stores what the examples create."""
    client, documents = _at_start
    _restore(documents, database)
    return lambda: create(Session(client, database), operations)


def _restore(documents: dict[str, list[Document]], database: MongoDatabase) -> None:
    for name in database.list_collection_names():
        database[name].delete_many({})
    for name, stored in documents.items():
        database[name].insert_many(stored)
    login_throttle._blocked.clear()  # what the process remembers of the counters that were there
    catalog.reset()


def observe(module: Module, client: DirectClient, database: MongoDatabase, traffic: Traffic) -> Session:
    """Do what the contracts on traffic look at: send all documented requests, pages of lists, and wrong types, and call
    each function of the module that no request calls. Return the documented requests and their responses."""
    session, operations = Session(client, database), traffic.operations
    send_everything(session, operations)
    create(Session(session.client, session.database), operations)
    create_several(session.client, operations)
    read_pages(session.client, operations)
    for operation in operations:
        for contract in (refuses_wrong_parameters, refuses_a_wrong_body):
            list(contract(operation, session.client))
    call_functions(module, client, database, traffic)
    return session
