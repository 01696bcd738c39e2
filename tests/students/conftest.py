"""A teacher at work."""

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from tests.auth.people import as_teacher


@pytest.fixture
def client(client: TestClient, settings: Settings) -> TestClient:
    """A signed-in client."""
    return as_teacher(client, settings)


@pytest.fixture
def either(any_client: TestClient, settings: Settings) -> TestClient:
    """Like `client`, once on the real mongod and once in memory."""
    return as_teacher(any_client, settings)
