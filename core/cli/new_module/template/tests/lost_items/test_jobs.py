# with job
"""Tests of the jobs of lost items."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo import MongoClient

from core.settings import Settings
from modules.lost_items.jobs import log_the_count
from tests.kit import run_job


def test_the_count_is_logged(
    client: TestClient,
    settings: Settings,
    mongodb: MongoClient[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    mongodb[settings.mongodb_database]["lost_items"].insert_one({"code": "A1"})
    with caplog.at_level("INFO"):
        run_job(client, log_the_count)
    assert "Lost items: 1" in caplog.messages
