"""Tests of the log: one JSON object per line, without personal data."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import pytest

from core.operations.logging import JsonFormatter, TextFormatter, configure_logs
from tests.conftest import AppClient, sign_in
from tests.core.stubs import unstarted_client


@pytest.fixture(autouse=True)
def _restored_logging(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Restore the handlers of other tests, and remove those of this test, whose stream closes with it."""
    caplog.set_level(logging.WARNING, "httpx2")  # the test client logs the URLs of its requests
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def access_lines(text: str) -> list[dict[str, object]]:
    return [line for line in lines_of(text) if line["logger"] == "access"]


@pytest.mark.parametrize(
    ("request_line", "route", "status", "user"),
    [
        ("GET /", "/", 200, None),
        ("GET /healthz", "/healthz", 200, None),
        ("GET /students?limit=7", "/students", 200, "alice"),
        ("GET /students/hunter2", "/students/{roll_no}", 404, "alice"),
        ("GET /students/hunter2", "/students/{roll_no}", 401, None),
        ("TRACE /students/hunter2", "/students/{roll_no}", 405, None),
        ("GET /nowhere/hunter2?token=hunter2", None, 404, None),
        ("POST /register", "/register", 422, None),
    ],
)
def test_each_request_is_one_line(  # noqa: PLR0913, PLR0917  # four arguments are the columns of the table
    request_line: str,
    route: str | None,
    status: int,
    user: str | None,
    open_client: AppClient,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = open_client(log_level="INFO")
    if user:
        sign_in(client, user)
    capsys.readouterr()
    method, path = request_line.split()
    answer = client.request(method, path)
    (line,) = access_lines(capsys.readouterr().err)
    assert datetime.fromisoformat(str(line.pop("time"))).tzinfo
    assert isinstance(line.pop("ms"), float)
    assert line == {
        "level": "INFO",
        "logger": "access",
        "message": "request",
        "id": answer.headers["X-Request-ID"],
        "method": method,
        "route": route,
        "status": status,
        "user": user,
        "address": "testclient",
    }


def test_no_personal_data_is_logged(open_client: AppClient, capsys: pytest.CaptureFixture[str]) -> None:
    client = sign_in(open_client(log_level="DEBUG"), password="hunter2-hunter2")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    client.post("/students?note=hunter2", json={"roll_no": "hunter2", "name": "hunter2", "branch": "x", "marks": {}})
    client.get("/students/hunter2?cursor=hunter2")
    client.post("/students", content=b'{"hunter2": ', headers={"Content-Type": "application/json"})
    client.post("/login", data={"username": "hunter2", "password": "hunter2"})
    client.get("/students", headers={"Authorization": "Bearer hunter2"})
    logged = capsys.readouterr().err
    assert len(access_lines(logged)) == 7
    assert "hunter2" not in logged
    assert not [part for part in token.split(".") if part in logged]
    assert "secret_key" not in logged


def test_a_request_that_fails_is_logged_with_its_status(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    unstarted_client().get("/failures/bug", headers={"X-Request-ID": "mine"})
    error, access = (getattr(record, "fields", {}) for record in caplog.records)
    assert error["id"] == access["id"] == "mine"
    assert (access["status"], access["route"]) == (500, "/failures/{kind}")


def formatted(**changes: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "hello", "created": 0.5, **changes})
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line: dict[str, object] = json.loads(text)
    return line


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"msg": "%s and %s", "args": (1, "two")}, {"message": "1 and two"}),
        ({"msg": 'two\nlines, "quoted" \ud800'}, {"message": 'two\nlines, "quoted" \ud800'}),
        ({"fields": {"id": "a", "of": ValueError("b")}}, {"id": "a", "of": "b"}),
    ],
)
def test_a_record_is_one_line_of_json(changes: dict[str, object], expected: dict[str, object]) -> None:
    assert formatted(**changes) == {
        "time": "1970-01-01T00:00:00.500+00:00",
        "level": "INFO",
        "logger": "x",
        "message": "hello",
        **expected,
    }


def test_a_traceback_stays_on_the_line_of_its_error() -> None:
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        line = formatted(exc_info=sys.exc_info())
    assert str(line["traceback"]).startswith("Traceback (most recent call last):\n")
    assert str(line["traceback"]).endswith("RuntimeError: oh")


@pytest.mark.parametrize(
    ("name", "level", "is_logged"),
    [
        ("core", logging.INFO, True),
        ("core", logging.DEBUG, False),
        ("uvicorn", logging.INFO, True),
        ("uvicorn.error", logging.INFO, True),
        ("uvicorn.access", logging.INFO, False),
        ("pymongo", logging.INFO, False),
        ("pymongo.topology", logging.WARNING, True),
    ],
)
def test_every_logger_but_uvicorns_access_log_writes_once(
    name: str, level: int, is_logged: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if name.startswith("uvicorn"):  # uvicorn has configured its own handlers by then
        logging.getLogger(name).addHandler(logging.StreamHandler())
    configure_logs("INFO")
    configure_logs("INFO")
    logging.getLogger(name).log(level, "hello")
    assert [line["message"] for line in lines_of(capsys.readouterr().err)] == ["hello"] * is_logged


def as_text(**changes: object) -> str:
    record = logging.makeLogRecord({"name": "x", "levelname": "INFO", "msg": "hello", "created": 0.5, **changes})
    return TextFormatter().format(record)


def test_a_text_record_is_one_readable_line() -> None:
    line = as_text(fields={"status": 200, "user": None, "address": "::1"})
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.500 INFO x: hello status=200 address=::1", line)


def test_control_characters_are_escaped_in_text() -> None:
    line = as_text(msg="a\nb\x1b[2J\x9b\u2028", fields={"id": "c\rd"})
    assert line.endswith(r"INFO x: a\nb\x1b[2J\x9b\u2028 id=c\rd")


def test_a_traceback_in_text_follows_the_line_of_its_error() -> None:
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        first, *more = as_text(exc_info=sys.exc_info()).splitlines()
    assert first.endswith("INFO x: hello")
    assert (more[0], more[-1]) == ("Traceback (most recent call last):", "RuntimeError: oh")


@pytest.mark.parametrize(
    ("terminal", "kind", "is_json"),
    [(False, None, True), (True, None, False), (True, "json", True), (False, "text", False)],
)
def test_a_terminal_gets_text_unless_a_format_is_set(
    terminal: bool,
    kind: Literal["json", "text"] | None,
    is_json: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    for _ in range(2):
        configure_logs("INFO", kind)
    logging.getLogger("core").info("hello")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("{") is is_json
