"""Fixtures: every discovered module in turn, and an app of only that module on the real mongod."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.app import create_app
from core.module import Module
from core.settings import Settings
from modules.auth import login_throttle
from modules.students.subject_catalog import catalog
from tests.apps import Document, documents_of
from tests.conftest import configured
from tests.contract.behaviour import refuses_a_wrong_body, refuses_wrong_parameters
from tests.contract.declaration import MongoDatabase
from tests.contract.isolation import MODULES, all_used_by, isolated
from tests.contract.lists import create_several, read_pages
from tests.contract.live import Session, create, send_everything
from tests.contract.operations import Operation, operations_of
from tests.contract.traffic import Traffic
from tests.core.stubs import SIGNED_IN
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
) -> Iterator[TestClient]:
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


def _opened(module: Module, mongodb_url: str, database: str) -> AbstractContextManager[TestClient]:
    return started_with(isolated(module), mongodb_url, database)


@contextmanager
def started_with(modules: Sequence[Module], mongodb_url: str, database: str) -> Iterator[TestClient]:
    given = {"mongodb_url": mongodb_url, "mongodb_database": database, "log_level": "WARNING"}
    app = create_app(
        configured(Settings.model_validate(given), bcrypt_cost=4, registrations_per_address=10_000), modules
    )
    with TestClient(app, raise_server_exceptions=False, headers=SIGNED_IN) as client:
        yield client


@pytest.fixture(scope="module")
def traffic(operations: list[Operation]) -> Traffic:
    """Return what the running app does while it answers requests."""
    return Traffic(operations)


@pytest.fixture(scope="module")
def _at_start(
    module: Module, traffic: Traffic, database: MongoDatabase, mongodb_url: str
) -> Iterator[tuple[TestClient, dict[str, list[Document]]]]:
    with started(module, database, mongodb_url, traffic.sent) as client, traffic.of(client):
        yield client, documents_of(database)


@pytest.fixture(scope="module")
def running(_at_start: tuple[TestClient, dict[str, list[Document]]]) -> TestClient:
    return _at_start[0]


@pytest.fixture(scope="module")
def session(
    operations: list[Operation], _at_start: tuple[TestClient, dict[str, list[Document]]], database: MongoDatabase
) -> Session:
    """Make the database what it was at the start, and send all documented requests, and many wrong ones."""
    client, documents = _at_start
    for name in database.list_collection_names():
        database[name].delete_many({})
    for name, stored in documents.items():
        database[name].insert_many(stored)
    login_throttle._blocked.clear()  # what the process remembers of the counters that were there
    catalog.forget(entirely=True)
    session = Session(client, database)
    observe(session, operations)
    return session


def observe(session: Session, operations: list[Operation]) -> None:
    """Send what the contracts on traffic look at: all documented requests, pages of lists, and wrong types."""
    send_everything(session, operations)
    create(Session(session.client, session.database), operations)
    create_several(session.client, operations)
    read_pages(session.client, operations)
    for operation in operations:
        for contract in (refuses_wrong_parameters, refuses_a_wrong_body):
            list(contract(operation, session.client))
