"""Fixtures for signed-in users of each role, on the real mongod."""

import pytest
from fastapi.testclient import TestClient

from core.identity import Role
from core.settings import Settings
from tests.auth.people import Person, make


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


@pytest.fixture
def teacher(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "teacher", Role.TEACHER)


@pytest.fixture
def viewer(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "viewer", Role.VIEWER)
