"""Every error is a problem document (RFC 9457) that helps the client and betrays nothing."""

import json
import logging
import re

import pytest
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from httpx2 import Response

from core.api.problem_details import ProblemResponse, as_problem
from core.errors import Conflict, FieldError, InvalidRequest
from tests.core.stubs import JSON, things, unopened


def problem_of(answer: Response) -> dict[str, object]:
    """The problem document of an answer, whose media type and status say the same."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, object] = answer.json()
    assert problem["status"] == answer.status_code
    assert str(problem["type"]).startswith(("/problems/", "about:blank"))
    assert problem["title"]
    return problem


def pointers_of(answer: Response) -> list[str]:
    """The pointers of the errors, each of which has a sentence."""
    errors = problem_of(answer)["errors"]
    assert isinstance(errors, list)
    assert all(error.keys() == {"detail", "pointer"} for error in errors)
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
    problem = problem_of(unopened().request(method, path))
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
def test_405_lists_every_method_of_the_address(path: str, allowed: str) -> None:
    client = unopened()
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
def test_401_challenges(headers: dict[str, str], challenge: str) -> None:
    answer = unopened().put("/things/x", headers=headers)
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
        # A pointer is a URI fragment (RFC 6901, section 6): what such a fragment cannot hold is percent-encoded.
        (b'{"name": "x", "a b%25": 1}', ["#/a%20b%2525"]),
        (b'{"name": "x", "\xc3\xa9": 1}', ["#/%C3%A9"]),
        # pydantic marks a wrong key in this way; a client's key may look the same.
        (b'{"name": "x", "[key]": 1}', ["#/%5Bkey%5D"]),
        (b'{"name": "x", "marks": {"[key]": "hunter2"}}', ["#/marks/%5Bkey%5D"]),
    ],
)
def test_a_wrong_body_is_told_where(body: bytes, pointers: list[str]) -> None:
    answer = unopened().post("/things", content=body, headers=JSON)
    assert answer.status_code == 422
    assert pointers_of(answer) == pointers
    assert "hunter2" not in answer.text


def test_a_lone_surrogate_in_a_key_is_answered_in_valid_utf_8() -> None:
    body = b'{"name": "x", "marks": {"\\ud800": 1}}'
    answer = unopened().post("/things", content=body, headers=JSON)
    assert answer.status_code == 422
    assert json.loads(answer.content.decode("utf-8", errors="strict"))["errors"][0]["pointer"].startswith("#/marks/")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/vnd.things+json"])
def test_a_body_of_another_kind_is_refused(content_type: str) -> None:
    answer = unopened().post("/things", content=b'{"name": "x"}', headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert re.findall(r"[a-z]+/[a-z.+]*[a-z]", str(problem_of(answer)["detail"])) == [content_type, "application/json"]


@pytest.mark.parametrize(
    "encodings", [["gzip"], ["GZIP"], ["x-unknown"], ["identity", "br"], ["identity,gzip"], ["deflate, gzip"]]
)
def test_an_encoded_body_is_refused_and_told_what_is_read(encodings: list[str]) -> None:
    headers = [("Content-Type", "application/json"), *(("Content-Encoding", one) for one in encodings)]
    answer = unopened().post("/things", content=b'{"name": "x"}', headers=headers)
    assert (answer.status_code, problem_of(answer)["type"]) == (415, "/problems/unsupported-media-type")
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", "identity, identity"])
def test_a_body_that_is_not_encoded_is_read(encoding: str) -> None:
    answer = unopened().post("/things", json={"name": "x"}, headers={"Content-Encoding": encoding})
    assert answer.status_code == 200


def test_an_encoding_of_no_body_is_nobodys_affair() -> None:
    assert unopened().get("/things", headers={"Content-Encoding": "gzip"}).status_code == 200


def test_json_that_is_not_announced_is_refused() -> None:
    answer = unopened().post("/things", content=b'{"name": "x"}', headers={"Content-Type": ""})
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
def test_a_hostile_body_is_the_clients_mistake(body: bytes) -> None:
    answer = unopened().post("/things", content=body, headers=JSON)
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
def test_a_wrong_query_parameter_is_named(query: str, parameter: str) -> None:
    answer = unopened().get(f"/things?{query}")
    assert answer.status_code == 422
    errors = problem_of(answer)["errors"]
    assert isinstance(errors, list)
    assert [error["parameter"] for error in errors] == [parameter]
    assert "hunter3" not in answer.text


@pytest.mark.parametrize(
    ("count", "listed", "numbers"), [(100, 100, []), (101, 100, ["100", "1"]), (5000, 100, ["100", "4900"])]
)
def test_errors_are_listed_up_to_a_hundred(count: int, listed: int, numbers: list[str]) -> None:
    answer = unopened().post("/things", json={"name": "x", "marks": {str(n): "?" for n in range(count)}})
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
def test_a_failure_inside_is_told_to_the_log_only(
    kind: str, status: int, retry_after: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    answer = unopened().get(f"/failures/{kind}", headers={"X-Request-ID": "mine"})
    assert answer.status_code == status
    assert set(problem_of(answer)) <= {"type", "title", "status", "detail", "request_id"}
    assert "hunter2" not in answer.text
    assert answer.headers.get("Retry-After") == retry_after
    assert ("hunter2" in caplog.text) == (status == 500)


def test_an_unexpected_error_is_logged_with_its_traceback_and_id(caplog: pytest.LogCaptureFixture) -> None:
    unopened().get("/failures/bug", headers={"X-Request-ID": "mine"})
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert getattr(record, "fields", None) == {"id": "mine"}
    assert record.exc_info
    assert isinstance(record.exc_info[1], RuntimeError)


def test_an_answer_that_fails_half_way_is_broken_off(caplog: pytest.LogCaptureFixture) -> None:
    client = unopened()
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
def test_a_frameworks_error_below_500_keeps_its_detail(status: int, kind: str, title: str) -> None:
    module = things()
    assert module.public_router

    @module.public_router.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(status, "Short and stout.", {"Accept": "coffee/decaf"})

    answer = unopened(module).get("/teapot")
    problem = problem_of(answer)
    assert (problem["type"], problem["title"], problem["detail"]) == (kind, title, "Short and stout.")
    assert answer.headers.get("Accept") == (None if status == 400 else "coffee/decaf")


def test_a_frameworks_error_from_500_on_tells_nothing() -> None:
    module = things()
    assert module.public_router

    @module.public_router.get("/broken")
    async def broken() -> None:
        raise HTTPException(502, "hunter2 is inside")

    answer = unopened(module).get("/broken")
    assert problem_of(answer)["type"] == "/problems/internal-error"
    assert "hunter2" not in answer.text


class LongNamedProblem(Conflict):
    """It has a meaning.  And
    more to say."""

    title = "Long"


def test_a_problem_documents_itself() -> None:
    problem = LongNamedProblem
    assert (problem.type_uri(), problem.meaning()) == ("/problems/long-named-problem", "It has a meaning.")


def test_a_lone_surrogate_does_not_break_the_answer_that_names_it() -> None:
    problem = InvalidRequest("\ud800", errors=[FieldError(detail="\ud800", pointer="#/\ud800")])
    assert json.loads(bytes(ProblemResponse(problem, "mine").body))["request_id"] == "mine"


def test_an_error_of_an_unknown_kind_keeps_pydantics_sentence() -> None:
    raw = RequestValidationError([{"type": "new_kind", "loc": ("body", "x", 0), "msg": "Whatever."}])
    problem = as_problem(Request({"type": "http"}), raw)
    assert problem
    (error,) = problem.errors
    assert (error.detail, error.pointer) == ("Whatever.", "#/x/0")
