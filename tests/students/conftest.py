"""Fixtures of clients that are signed in as a teacher."""

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from tests.auth.people import as_teacher


@pytest.fixture
def client(client: TestClient, settings: Settings) -> TestClient:
    """Return a client that is signed in as a teacher."""
    return as_teacher(client, settings)


@pytest.fixture
def either(any_client: TestClient, settings: Settings) -> TestClient:
    """Return a client like `client`, once on the real mongod and once in memory."""
    return as_teacher(any_client, settings)
