"""A failed test prints its last requests, the responses and the log."""

import logging

from fastapi.testclient import TestClient

from tests import exchanges
from tests.conftest import AppClient


def test_the_last_requests_are_kept_with_their_answers_and_log_lines(client: TestClient) -> None:
    client.post("/register", json={"username": "x"}, headers={"X-Request-ID": "asked-by-a-test"})

    text = exchanges.current.render()

    assert "> POST /register" in text
    assert '{"username":"x"}' in text
    assert "< 422" in text
    assert "/problems/invalid-request" in text
    assert "log: " in text


def test_no_token_is_printed(client: TestClient) -> None:
    client.get("/me", headers={"Authorization": "Bearer hunter2"})

    assert "hunter2" not in exchanges.current.render()


def test_an_app_is_not_used_again_after_the_log_level_has_changed(open_client: AppClient) -> None:
    first = open_client()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)  # as `caplog.at_level` does at its end

    second = open_client()

    assert second.app is not first.app
    assert root.level == logging.INFO
