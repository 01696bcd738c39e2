"""Every discovered module in turn, and an app of it alone on the real mongod."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.app import create_app
from core.module import Module
from core.settings import Settings
from tests.contract.alone import MODULES, alone
from tests.contract.declaration import Databases
from tests.core.stubs import SIGNED_IN

DATABASE = "contract"


@pytest.fixture(scope="module", params=MODULES, ids=lambda module: module.name)
def module(request: pytest.FixtureRequest) -> Module:
    found: Module = request.param
    return found


@pytest.fixture(scope="session")
def databases(mongodb_url: str) -> Iterator[Databases]:
    with MongoClient[dict[str, Any]](mongodb_url) as client:
        yield client


@contextmanager
def started(module: Module, databases: Databases, mongodb_url: str) -> Iterator[TestClient]:
    """A signed-in client of an app of this module alone, on a database that was empty before."""
    databases.drop_database(DATABASE)
    given = {"mongodb_url": mongodb_url, "mongodb_database": DATABASE, "bcrypt_cost": 4, "log_level": "WARNING"}
    app = create_app(Settings.model_validate(given), alone(module))
    with TestClient(app, raise_server_exceptions=False, headers=SIGNED_IN) as client:
        yield client


@pytest.fixture(scope="module")
def running(module: Module, databases: Databases, mongodb_url: str) -> Iterator[TestClient]:
    with started(module, databases, mongodb_url) as client:
        yield client
