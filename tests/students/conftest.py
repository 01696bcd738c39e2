"""A teacher at work."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import sign_in


@pytest.fixture
def client(client: TestClient) -> TestClient:
    """A signed-in client."""
    return sign_in(client)


@pytest.fixture
def either(any_client: TestClient) -> TestClient:
    """Like `client`, once on the real mongod and once in memory."""
    return sign_in(any_client)
