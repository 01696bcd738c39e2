# with migration
"""Tests of the migrations of lost items."""

import pytest
from pymongo import MongoClient

from core.settings import Settings
from tests.terminal import Terminal

pytestmark = pytest.mark.process


def test_names_are_completed(settings: Settings, terminal: Terminal) -> None:
    assert settings.mongodb_url
    with MongoClient(settings.mongodb_url.get_secret_value()) as mongo:
        stored = mongo[settings.mongodb_database]["lost_items"]
        stored.insert_many([{"code": "A1"}, {"code": "A2", "name": "Umbrella"}])

        assert terminal("migrate").returncode == 0

        assert [one["name"] for one in stored.find().sort("code", 1)] == ["(unknown)", "Umbrella"]
