# with job
"""Tests of the jobs of lost items."""

import pytest
from fastapi.testclient import TestClient

from modules.lost_items.jobs import log_the_count
from tests.kit import run_job


def test_the_count_is_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run_job(client, log_the_count)
    assert "Lost items: 0" in caplog.messages
