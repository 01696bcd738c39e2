"""A fixture: a client of the whole service, signed in as a teacher."""

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from tests.auth.people import as_teacher


@pytest.fixture
def api(client: TestClient, settings: Settings) -> TestClient:
    return as_teacher(client, settings)
