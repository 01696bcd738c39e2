"""Fixtures for a client of a teacher, and for direct access to the database."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.settings import Settings
from tests.auth.people import as_teacher
from tests.transfers.helpers import JSON, database_of


@pytest.fixture
def teacher(client: TestClient, settings: Settings) -> TestClient:
    return as_teacher(client, settings)


@pytest.fixture
def any_teacher(any_client: TestClient, settings: Settings) -> TestClient:
    return as_teacher(any_client, settings)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[JSON]]:
    with database_of(settings) as database:
        yield database
