"""The values of a student: a wrong value is a 422 that names it, and nothing is stored."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import AppClient, sign_in

FINE: dict[str, Any] = {"roll_no": "S1", "name": "n", "branch": "b", "marks": {"math": 1}}


def post(client: TestClient, body: str | dict[str, Any]) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post("/students", content=text.encode(), headers={"Content-Type": "application/json"})


def marks(text: str) -> str:
    return f'{{"roll_no":"S1","name":"n","branch":"b","marks":{text}}}'


# There are more in tests/core/test_text_fields.py.
ROLL_NUMBERS: list[Any] = ["", "a/b", "a b", "é", "\ud800", "..", "x" * 65, 5, None]

WRONG: list[tuple[str | dict[str, Any], str]] = [
    *[(FINE | {"roll_no": value}, "#/roll_no") for value in ROLL_NUMBERS],
    *[
        (FINE | {"name": value}, "#/name")
        for value in ("\ufffd", "", " \t ", "a\nb", "a\0b", "a\u202eb", "\ud83d", "x" * 201, 5, None)
    ],
    (FINE | {"branch": "a\nb"}, "#/branch"),
    *[
        (marks(f'{{"math":{value}}}'), "#/marks/math")
        for value in ("NaN", "Infinity", "1e999", "-1", "100.01", "1.005", "true")
    ],
    *[(marks(f'{{"math":{value}}}'), "#/marks/math") for value in ('"85"', "null", "[]")],
    *[(marks(f'{{"math":{number}}}'), "#/marks/math") for number in (2**63, 10**400)],
    *[
        (marks(f'{{"{subject}":1}}'), f"#/marks/{pointer}")
        for subject, pointer in (
            ("$set", "$set"),
            ("a.b", "a.b"),
            ("", ""),
            ("  ", "%20%20"),
            ("\\u00a0$e\\u0301", "%C2%A0$e%CC%81"),
            ("a\\u0000", "a%00"),
            ("a\\nb", "a%0Ab"),
            ("x" * 65, "x" * 65),
            ("a/b$.~", "a~1b$.~0"),
        )
    ],
    (marks('{"\\ud800":1}'), "#/marks/%EF%BF%BD%EF%BF%BD%EF%BF%BD"),
    *[(FINE | {"name": blank}, "#/name") for blank in ("\u200d", "\u2800", "\u3164", "\u034f", "\ufe0f")],
    (FINE | {"name": "\U0001d160" * 67}, "#/name"),  # 201 characters once it is composed
    (marks('{"math":1," math":2}'), "#/marks"),
    (marks("[]"), "#/marks"),
    (marks("null"), "#/marks"),
    (FINE | {"marks": {f"s{number}": 1 for number in range(101)}}, "#/marks"),
    (FINE | {"grade": "A"}, "#/grade"),
    (FINE | {"_id": "5"}, "#/_id"),
    (FINE | {"version": 9}, "#/version"),
    *[({k: v for k, v in FINE.items() if k != field}, f"#/{field}") for field in ("roll_no", "name", "branch")],
]


@pytest.mark.parametrize(("body", "pointer"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_a_wrong_value_is_named(client: TestClient, body: str | dict[str, Any], pointer: str) -> None:
    answer = post(client, body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert client.get("/students").json() == []


def test_every_wrong_value_is_named_at_once(client: TestClient) -> None:
    answer = post(client, {"roll_no": "a b", "name": "", "marks": {"math": -1, "art": "x"}})

    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["#/name", "#/branch", "#/marks/math", "#/marks/art", "#/roll_no"]


@pytest.mark.parametrize(
    ("roll_no", "named"),
    [("a/b", "'/'"), ("a b", "space"), ("a\tb", "U+0009"), ("naïve", "'ï'")],
)
def test_an_invalid_character_is_named(client: TestClient, roll_no: str, named: str) -> None:
    assert named in post(client, FINE | {"roll_no": roll_no}).json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("roll_no", "  S1 ", "S1"),
        ("name", "  Jose\u0301 ", "José"),
        ("name", "क्\u200dष", "क्\u200dष"),
        ("name", "O'Neil, Zoë-Ann (2nd)", "O'Neil, Zoë-Ann (2nd)"),
        ("branch", "x" * 200, "x" * 200),
        ("marks", {" Art / Design ": 0}, {"Art / Design": 0}),
        ("marks", {"math": 100, "art": 99.99, "pe": 0.07}, {"math": 100, "art": 99.99, "pe": 0.07}),
        ("marks", {f"s{number}": 1 for number in range(100)}, {f"s{number}": 1 for number in range(100)}),
    ],
)
def test_text_is_trimmed_and_composed_and_otherwise_unchanged(
    client: TestClient, field: str, sent: object, kept: object
) -> None:
    answer = post(client, FINE | {field: sent})

    assert answer.status_code == 201, answer.text
    assert answer.json()[field] == kept
    assert client.get(f"/students/{answer.json()['roll_no']}").json()[field] == kept


@pytest.mark.parametrize("subject", ["x" * 65, "x" * 201])
def test_the_error_for_a_long_subject_contains_the_limit(client: TestClient, subject: str) -> None:
    answer = post(client, FINE | {"marks": {subject: 1}})

    (error,) = answer.json()["errors"]
    assert error["pointer"].startswith("#/marks/x")
    assert "64" in error["detail"]


def test_a_replacement_accepts_what_a_read_returns(client: TestClient) -> None:
    post(client, FINE | {"name": "\U0001d160" * 66})
    read = client.get("/students/S1").json()

    answer = client.put("/students/S1", json={name: read[name] for name in FINE})

    assert answer.status_code == 200
    assert answer.json()["name"] == read["name"]


def test_minus_zero_is_zero(client: TestClient) -> None:
    assert '"math":0.0' in post(client, marks('{"math":-0.0}')).text


def test_the_highest_mark_is_a_setting(open_client: AppClient) -> None:
    client = sign_in(open_client(marks_max=20))

    assert post(client, FINE | {"marks": {"math": 20}}).status_code == 201
    answer = post(client, FINE | {"marks": {"math": 20.5}})

    (error,) = answer.json()["errors"]
    assert (error["pointer"], "20" in error["detail"]) == ("#/marks/math", True)


@pytest.mark.parametrize("path", ["a%20b", "%C3%A9", "x" * 65, "a%00b"])
def test_a_malformed_roll_number_in_a_url_is_named(client: TestClient, path: str) -> None:
    answer = client.get(f"/students/{path}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "roll_no"


def test_a_replacement_is_validated_like_a_new_student(client: TestClient) -> None:
    post(client, FINE)

    answer = client.put("/students/S1", json={"name": "n", "branch": "b", "marks": {"math": 101}})

    assert answer.status_code == 422
    assert client.get("/students/S1").json()["marks"] == {"math": 1}
