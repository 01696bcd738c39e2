"""A signed-in client of the whole service."""

import pytest
from fastapi.testclient import TestClient

from tests.conftest import sign_in


@pytest.fixture
def api(client: TestClient) -> TestClient:
    return sign_in(client)
