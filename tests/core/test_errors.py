"""Tests of errors: each is a problem document (RFC 9457) that helps the client and reveals no internals."""

import json
import logging
import re

import pytest
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from httpx2 import Response

from core.api.problem_details import ProblemResponse, as_problem
from core.errors import Conflict, FieldError, InvalidRequest
from tests.core.stubs import JSON, things, unstarted_client


def problem_of(answer: Response) -> dict[str, object]:
    """Return the problem document of a response, and assert that its media type and its status are right."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == answer.status_code
    assert str(problem["type"]).startswith(("/problems/", "about:blank"))
    assert problem["title"]
    return problem


def pointers_of(answer: Response) -> list[str]:
    """Return the pointers of the errors, and assert that each error has only a code, a detail and a pointer."""
    errors = problem_of(answer)["errors"]
    assert isinstance(errors, list)
    assert all(error.keys() == {"code", "detail", "pointer"} for error in errors)
    return [error["pointer"] for error in errors]


@pytest.mark.parametrize(
    ("method", "path", "kind", "status"),
    [
        ("GET", "/nowhere", "not-found", 404),
        ("GET", "/things/", "not-found", 404),
        ("GET", "/static/nowhere", "not-found", 404),
        ("GET", "/things/x", "method-not-allowed", 405),
        ("BREW", "/things", "method-not-allowed", 405),
        ("POST", "/things", "invalid-request", 422),
        ("GET", "/failures/bug", "internal-error", 500),
        ("GET", "/failures/away", "unavailable", 503),
    ],
)
def test_an_error_is_a_problem_document(method: str, path: str, kind: str, status: int) -> None:
    problem = problem_of(unstarted_client().request(method, path))
    assert (problem["type"], problem["status"]) == (f"/problems/{kind}", status)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/things", "GET, HEAD, OPTIONS, POST"),
        ("/things/x", "OPTIONS, PUT"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/static/favicon.png", "GET, HEAD, OPTIONS"),
    ],
)
def test_405_lists_every_method_of_the_path(path: str, allowed: str) -> None:
    client = unstarted_client()
    for root_path in ("", "/api"):
        client._transport.root_path = root_path  # type: ignore[attr-defined]
        answer = client.patch(root_path + path)
        problem_of(answer)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({"Authorization": ""}, "Bearer"),
        ({"Authorization": "Basic eDp5"}, "Bearer"),
        ({"Authorization": "Bearer forged"}, 'Bearer error="invalid_token"'),
    ],
)
def test_401_has_a_challenge(headers: dict[str, str], challenge: str) -> None:
    answer = unstarted_client().put("/things/x", headers=headers)
    problem_of(answer)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, challenge)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"", ["#"]),
        (b"null", ["#"]),
        (b"[]", ["#"]),
        (b'"hunter2"', ["#"]),
        (b"{", ["#"]),
        (b'{"name": hunter2}', ["#"]),
        (b'{"name": NaN}', ["#/name"]),
        (b"{}", ["#/name"]),
        (b'{"name": "hunter2 hunter2 hunter2"}', ["#/name"]),
        (b'{"name": "hunter2\\ud800"}', ["#/name"]),
        (b'{"name": "x", "unknown": "hunter2"}', ["#/unknown"]),
        (b'{"name": "x", "\\ud800": "hunter2"}', ["#"]),
        (b'{"name": "x", "a/b~c": "hunter2"}', ["#/a~1b~0c"]),
        (b'{"name": "x", "marks": {"math": 100.5}}', ["#/marks/math"]),
        (b'{"name": "x", "marks": {"math": "hunter2"}}', ["#/marks/math"]),
        (b'{"name": "x", "marks": {"math": Infinity}}', ["#/marks/math"]),
        (b'{"name": "x", "marks": "hunter2"}', ["#/marks"]),
        (b'{"name": 1, "marks": {"a": 101, "b": {}}}', ["#/name", "#/marks/a", "#/marks/b"]),
        # A pointer is a URI fragment (RFC 6901, section 6): characters invalid in a fragment are percent-encoded.
        (b'{"name": "x", "a b%25": 1}', ["#/a%20b%2525"]),
        (b'{"name": "x", "\xc3\xa9": 1}', ["#/%C3%A9"]),
        # pydantic marks an invalid key in this way, but a client's key may look the same.
        (b'{"name": "x", "[key]": 1}', ["#/%5Bkey%5D"]),
        (b'{"name": "x", "marks": {"[key]": "hunter2"}}', ["#/marks/%5Bkey%5D"]),
    ],
)
def test_errors_in_a_body_have_pointers(body: bytes, pointers: list[str]) -> None:
    answer = unstarted_client().post("/things", content=body, headers=JSON)
    assert answer.status_code == 422
    assert pointers_of(answer) == pointers
    assert "hunter2" not in answer.text


def test_the_response_to_a_lone_surrogate_in_a_key_is_valid_utf_8() -> None:
    body = b'{"name": "x", "marks": {"\\ud800": 1}}'
    answer = unstarted_client().post("/things", content=body, headers=JSON)
    assert answer.status_code == 422
    assert json.loads(answer.content.decode("utf-8", errors="strict"))["errors"][0]["pointer"].startswith("#/marks/")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/vnd.things+json"])
def test_a_body_of_another_media_type_is_refused(content_type: str) -> None:
    answer = unstarted_client().post("/things", content=b'{"name": "x"}', headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert re.findall(r"[a-z]+/[a-z.+]*[a-z]", str(problem_of(answer)["detail"])) == [content_type, "application/json"]


@pytest.mark.parametrize(
    "encodings", [["gzip"], ["GZIP"], ["x-unknown"], ["identity", "br"], ["identity,gzip"], ["deflate, gzip"]]
)
def test_an_encoded_body_is_refused_with_the_accepted_encoding(encodings: list[str]) -> None:
    headers = [("Content-Type", "application/json"), *(("Content-Encoding", one) for one in encodings)]
    answer = unstarted_client().post("/things", content=b'{"name": "x"}', headers=headers)
    assert (answer.status_code, problem_of(answer)["type"]) == (415, "/problems/unsupported-media-type")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
def test_a_body_that_is_not_encoded_is_accepted(encoding: str) -> None:
    answer = unstarted_client().post("/things", json={"name": "x"}, headers={"Content-Encoding": encoding})
    assert answer.status_code == 200


def test_a_content_encoding_without_a_body_is_ignored() -> None:
    assert unstarted_client().get("/things", headers={"Content-Encoding": "gzip"}).status_code == 200


def test_json_without_a_content_type_is_refused() -> None:
    answer = unstarted_client().post("/things", content=b'{"name": "x"}', headers={"Content-Type": ""})
    assert answer.status_code == 422
    assert pointers_of(answer) == ["#"]


@pytest.mark.parametrize(
    "body",
    [
        b"9" * 6000,
        b'{"name": ' + b"9" * 6000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"name": "x", "marks": {"math": ' + b"9" * 400 + b"}}",
        b'{"name": "x", "marks": {"math": ' + b"[" * 400 + b"]" * 400 + b"}}",
        b"\xff\xfe\x00",
        b'{"name": "\xff"}',
        b'{"name": "x\x00"}',
    ],
    ids=lambda body: body[:40],
)
def test_a_hostile_body_is_a_client_error(body: bytes) -> None:
    answer = unstarted_client().post("/things", content=body, headers=JSON)
    assert answer.status_code in (400, 422)
    problem_of(answer)
    assert "99999" not in answer.text


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=hunter2", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=" + "9" * 6000, "limit"),
        ("hunter2[$ne]=hunter3", "hunter2[$ne]"),
        ("cursor=" + "hunter3" * 600, "cursor"),
    ],
)
def test_the_error_names_an_invalid_query_parameter(query: str, parameter: str) -> None:
    answer = unstarted_client().get(f"/things?{query}")
    assert answer.status_code == 422
    errors = problem_of(answer)["errors"]
    assert isinstance(errors, list)
    assert [error["parameter"] for error in errors] == [parameter]
    assert "hunter3" not in answer.text


@pytest.mark.parametrize(
    ("count", "listed", "numbers"), [(100, 100, []), (101, 100, ["100", "1"]), (5000, 100, ["100", "4900"])]
)
def test_at_most_a_hundred_errors_are_listed(count: int, listed: int, numbers: list[str]) -> None:
    answer = unstarted_client().post("/things", json={"name": "x", "marks": {str(n): "?" for n in range(count)}})
    problem = problem_of(answer)
    assert isinstance(problem["errors"], list)
    assert (len(problem["errors"]), re.findall(r"\d+", str(problem.get("detail")))) == (listed, numbers)


@pytest.mark.parametrize(
    ("kind", "status", "retry_after"),
    [
        *((kind, 500, None) for kind in ("bug", "refused", "refused-in-bulk", "driver")),
        *((kind, 503, "1") for kind in ("away", "slow", "unconfirmed", "deposed", "deposed-in-bulk")),
        ("full", 503, "60"),
    ],
)
def test_details_of_internal_errors_are_only_logged(
    kind: str, status: int, retry_after: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = unstarted_client().get(f"/failures/{kind}", headers={"X-Request-ID": "mine"})
    assert answer.status_code == status
    assert set(problem_of(answer)) <= {"type", "title", "status", "detail", "request_id"}
    assert "hunter2" not in answer.text
    assert answer.headers.get("Retry-After") == retry_after
    assert ("hunter2" in caplog.text) == (status == 500)


def test_an_unexpected_error_is_logged_with_its_traceback_and_id(caplog: pytest.LogCaptureFixture) -> None:
    unstarted_client().get("/failures/bug", headers={"X-Request-ID": "mine"})
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert getattr(record, "fields", None) == {"id": "mine"}
    assert record.exc_info
    assert isinstance(record.exc_info[1], RuntimeError)


def test_a_response_that_fails_while_it_is_sent_is_aborted(caplog: pytest.LogCaptureFixture) -> None:
    client = unstarted_client()
    client._transport.raise_server_exceptions = True  # type: ignore[attr-defined]  # else the test client hides it
    with pytest.raises(RuntimeError, match="hunter2 is inside"):
        client.get("/broken-off")
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == ["Unhandled error"]


@pytest.mark.parametrize(
    ("status", "kind", "title"),
    [
        (400, "/problems/bad-request", "Bad request"),
        (415, "about:blank", "Unsupported Media Type"),
        (418, "about:blank", "I'm a Teapot"),
    ],
)
def test_an_http_exception_below_500_keeps_its_detail(status: int, kind: str, title: str) -> None:
    module = things()
    assert module.public_router

    @module.public_router.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(status, "Short and stout.", {"Accept": "coffee/decaf"})

    answer = unstarted_client(module).get("/teapot")
    problem = problem_of(answer)
    assert (problem["type"], problem["title"], problem["detail"]) == (kind, title, "Short and stout.")
    assert answer.headers.get("Accept") == (None if status == 400 else "coffee/decaf")


def test_an_http_exception_from_500_hides_its_detail() -> None:
    module = things()
    assert module.public_router

    @module.public_router.get("/broken")
    async def broken() -> None:
        raise HTTPException(502, "hunter2 is inside")

    answer = unstarted_client(module).get("/broken")
    assert problem_of(answer)["type"] == "/problems/internal-error"
    assert "hunter2" not in answer.text


class LongNamedProblem(Conflict):
    """It has a meaning.  And
    more to say."""

    title = "Long"


def test_a_problem_derives_its_type_and_meaning_from_its_class() -> None:
    problem = LongNamedProblem
    assert (problem.type_uri(), problem.meaning()) == ("/problems/long-named-problem", "It has a meaning.")


def test_a_lone_surrogate_in_an_error_does_not_break_the_response() -> None:
    problem = InvalidRequest("\ud800", errors=[FieldError(code="invalid", detail="\ud800", pointer="#/\ud800")])
    assert json.loads(bytes(ProblemResponse(problem, "mine").body))["request_id"] == "mine"


def test_an_error_of_a_module_keeps_its_code_and_its_message() -> None:
    raw = RequestValidationError([{"type": "new_kind", "loc": ("body", "x", 0), "msg": "Whatever."}])
    problem = as_problem(Request({"type": "http"}), raw)
    assert problem
    assert problem.errors == (FieldError(code="new_kind", detail="Whatever.", pointer="#/x/0"),)


@pytest.mark.parametrize(
    ("method", "target", "body", "known"),
    [
        ("GET", "/things?unknown=1", None, "limit, cursor"),
        ("POST", "/things", {"name": "x", "unknown": 1}, "name, marks"),
    ],
)
def test_the_error_for_an_unknown_name_lists_the_known_ones(method: str, target: str, body: object, known: str) -> None:
    answer = unstarted_client().request(method, target, json=body)
    (error,) = answer.json()["errors"]
    assert (error["code"], error["detail"].partition("Choose from ")[2]) == ("extra_forbidden", f"{known}.")
