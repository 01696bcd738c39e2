"""The error messages of the API: for each module, requests, and the sentences in their responses.

Other tests check the status, `type`, `pointer`, `parameter` and `code` instead, so only this file needs a change when a
sentence changes.
"""

import json

import pytest
from fastapi.testclient import TestClient

from tests.conftest import sign_in

S1 = {"roll_no": "S1", "name": "Asha", "branch": "Physics", "marks": {"math": 91}}
BOB = {"username": "bob", "email": "bob@example.com", "password": "giraffe-9-umbrella"}

LOCATIONS = ("pointer", "parameter", "line")
"""The members that say where an error is: in the body, in the URL, or in the file of an import."""

Case = tuple[str, object, list[str]]
"""A method with a path; a body, which is sent as JSON unless it is a string; and the sentences."""

CORE: list[Case] = [
    ("GET /nowhere", "", ["There is no resource at /nowhere."]),
    ("POST /students", "", ["#: This is required."]),
    ("POST /students", "[]", ["#: Send a JSON object, with the header Content-Type: application/json."]),
    (
        "POST /students",
        "{",
        ["#: This is not valid JSON. The error is at character 1."],
    ),
    (
        "POST /students",
        S1 | {"roll_no": 5, "name": "", "branch": "x" * 201, "marks": []},
        [
            "#/name: This must not be empty.",
            "#/branch: This must have at most 200 characters.",
            "#/marks: This must be a JSON object.",
            "#/roll_no: This must be text.",
        ],
    ),
    (
        "POST /students",
        S1 | {"roll_no": "a b", "name": "a\u202eb", "branch": "\u3164", "grade": 1},
        [
            "#/name: This must be one line of printable characters; remove U+202E (right-to-left override).",
            "#/branch: This must contain a visible character.",
            "#/roll_no: Use only the letters A to Z, digits, '.', '_' and '-'. Write '-' instead of a space.",
            "#/grade: This is not a known field or parameter. Choose from name, branch, marks, roll_no.",
        ],
    ),
    (
        "POST /students",
        S1 | {"roll_no": "..", "name": "\ufffd", "branch": "\ud800"},
        [
            "#/name: This contains U+FFFD, which replaces text that was not valid UTF-8.",
            "#/branch: This must be valid Unicode text, without lone surrogates.",
            "#/roll_no: This must not be '.' or '..', which are special in URLs.",
        ],
    ),
    ("GET /students?limit=0", "", ["limit: This must be 1 or more."]),
    ("GET /students?limit=501", "", ["limit: This must be 500 or less."]),
    (
        "GET /students?limit=x&count=x&updated_since=x",
        "",
        [
            "limit: This must be a whole number.",
            "updated_since: This must be a time with its zone, such as 2026-11-22T09:30:00Z.",
            "count: This must be true or false.",
        ],
    ),
    ("GET /students?limit=1&limit=2", "", ["limit: This must be given only once."]),
    (
        "GET /students?cursor=x",
        "",
        ["cursor: This is not a cursor. Send it exactly as received, or start without one."],
    ),
    (
        "GET /students?cursor=RGllIFBsYXR6IQ",
        "",
        [
            (
                "cursor: This is not a cursor of this list in this order and with these filters. "
                "Take one from the Link header of its pages, or start again without a cursor."
            )
        ],
    ),
    (
        "GET /changes?from=x",
        "",
        ["from: This is not a known field or parameter. Choose from since, limit."],
    ),
    ("GET /users", "", ["This operation requires the role admin; your role is teacher."]),
]

AUTH: list[Case] = [
    (
        "POST /register",
        BOB | {"username": "a b", "email": "Bob <bob@example.com>", "password": "short"},
        [
            (
                "#/username: A user name must have 3 to 64 characters "
                "(the letters A to Z, digits, '.', '_' and '-') and start with a letter or a digit."
            ),
            "#/email: Send only an e-mail address with a public domain, such as alice@example.com.",
            "#/password: A password must have at least 8 characters.",
        ],
    ),
    (
        "POST /register",
        BOB | {"password": "p" * 73},
        ["#/password: A password must have at most 72 bytes (72 ASCII letters or 18 emoji) and no NUL character."],
    ),
    (
        "POST /register",
        BOB | {"password": "password1"},
        [
            (
                "#/password: This password is too easy to guess. Use several uncommon words, "
                "without your name, dates, repetitions and neighbouring keys."
            )
        ],
    ),
    ("POST /register", BOB | {"username": "alice"}, ["#/username: This user name is taken."]),
    ("POST /register", BOB | {"email": "alice@example.com"}, ["#/email: This e-mail address is taken."]),
    (
        "POST /me/password",
        {"current_password": "wrong", "new_password": BOB["password"]},
        ["#/current_password: This is not your current password."],
    ),
    (
        "POST /password-reset",
        {"code": "wrong", "new_password": BOB["password"]},
        ["#/code: This code is wrong, used, revoked or expired. Ask an admin for a new one."],
    ),
]

STUDENTS: list[Case] = [
    (
        "POST /students",
        S1,
        [
            "Student S1 already exists.",
            "#/roll_no: Another student has this roll number.",
        ],
    ),
    (
        "POST /students",
        S1 | {"marks": {"math": 101, "art": "x", "pe": 1.005, "$a": 1, "a.b": 1}},
        [
            "#/marks/math: A mark lies between 0 and 100.",
            "#/marks/art: A mark must be a number, such as 85 or 72.5. Leave it out if there is none.",
            "#/marks/pe: A mark can have at most two decimals.",
            "#/marks/$a: A subject cannot begin with '$'.",
            "#/marks/a.b: A subject cannot contain a dot; write '-' or a space instead.",
        ],
    ),
    (
        "POST /students",
        S1 | {"marks": {"math": 1, " math": 2}},
        ["#/marks: Two subjects differ only in spaces or in the encoding of accents."],
    ),
    (
        "POST /students",
        S1 | {"marks": {f"s{number}": 1 for number in range(101)}},
        ["#/marks: This must have at most 100 entries."],
    ),
    ("PUT /students/S1", S1 | {"roll_no": "S2"}, ["#/roll_no: This must be S1, as in the URL, or be left out."]),
    ("GET /students/S9", "", ["There is no student S9."]),
    ("DELETE /students/S1/marks/art", "", ["The student S1 has no mark in art."]),
    ("POST /students/S1/restore", "", ["The student S1 is not deleted."]),
    ("GET /students/S1/history/5", "", ["The student S1 has no version 5."]),
    (
        "GET /students?sort=age&fields=age&q=!",
        "",
        [
            (
                "sort: Sort by roll_no, natural, name, last_name, branch, created_at, updated_at, marks.SUBJECT. "
                "Prefix '-' for descending order."
            ),
            "q: Search for at least one letter or digit.",
            "fields: Choose fields from roll_no, name, branch, marks, created_at, updated_at, etag.",
        ],
    ),
    (
        "GET /students?sort=name,branch,name&marks.math.near=5&marks.art.gte=x",
        "",
        [
            "sort: Sort by one field or by two fields.",
            "marks.math.near: Write marks.SUBJECT.gte, marks.SUBJECT.gt, marks.SUBJECT.lte or marks.SUBJECT.lt.",
            "marks.art.gte: This must be a single number, such as 40 or 72.5.",
        ],
    ),
    (
        "GET /changes?since=RGllIFBsYXR6IQ",
        "",
        [
            (
                "since: This token is not one of this feed. Send the `next` of an earlier response, "
                "or start again without a token, and with an empty copy."
            )
        ],
    ),
]

TRANSFERS: list[Case] = [
    (
        "POST /imports",
        "",
        ["The file is empty. It must have a row of column names: roll_no, name, branch and the subjects."],
    ),
    (
        "POST /imports",
        "name,branch\n",
        [
            (
                "No column is recognized as the roll number. Name it with columns=NAME:roll_no, or make roll numbers "
                'with roll_no=number:PREFIX. The columns are "name", "branch".'
            )
        ],
    ),
    (
        "POST /imports",
        "Rol No,name,branch\n",
        ['Unknown column "Rol No". Did you mean roll_no? Say columns=Rol No:roll_no or columns=Rol No:marks.'],
    ),
    (
        "POST /imports",
        "roll_no,First name,Surname\n",
        ['Columns "First name" and "Surname" are parts of the name. Join them with name=join.'],
    ),
    (
        "POST /imports",
        "roll_no,Surname\n",
        [
            (
                'Column "Surname" is only a part of the name. Name the column of the other part with '
                "columns=NAME:first_name and join them with name=join, or take this one for the whole name with "
                "columns=Surname:name."
            )
        ],
    ),
    (
        "POST /imports?name=join",
        "roll_no,name\n",
        [
            (
                'The column "name" has whole names, so there is nothing to join. Leave out name=join; or, to join two '
                "other columns, leave out this one with ignore=name."
            )
        ],
    ),
    (
        "POST /imports",
        "roll_no,name,name\n",
        ['Columns 2 "name" and 3 "name" are all taken for name. Leave out all but one, as with ignore=#3.'],
    ),
    (
        "POST /imports",
        "roll_no,name,branch,a.b\n",
        [
            (
                "Column 4, \"a.b\", cannot be a subject: A subject cannot contain a dot; write '-' or a space instead. "
                "Rename it with columns=a.b:marks.NAME or leave it out with ignore=a.b."
            )
        ],
    ),
    (
        "POST /imports",
        'roll_no,name,branch\nS2,"A\n',
        [
            (
                "The row that starts at line 2 is not valid CSV. "
                "A closing quotation mark may be missing, or there may be text after one."
            )
        ],
    ),
    (
        "POST /imports",
        "roll_no,name,branch\nS2,A\0,B\n",
        ["Line 2 contains a NUL byte, so the file is binary, or UTF-16 without a byte order mark."],
    ),
    (
        "POST /imports",
        "roll_no,name,branch,math\nS2,A,B,1,2\n2E+11,A,B\nS3,,B,\nS4,A,B,950\nS5,A,B,good\nS4,A,B,\n,,B,5\n",
        [
            "7 of 7 rows are invalid; nothing was written.",
            (
                "2: The header has no name for column 5 (E), but this row has something in it. "
                "If a cell has a separator in it, put the cell in quotation marks."
            ),
            (
                "3: A spreadsheet has shortened this number, and some of its digits are lost. "
                "Restore the whole number where it came from, in a column that is formatted as text."
            ),
            "4: This is required for a new student.",
            "5: A mark lies between 0 and 100.",
            "6: A mark must be a number, such as 85 or 72.5. If this stands for no mark, add it to absent=.",
            "7: Lines 5 and 7 have the same roll number.",
            "8: This row has neither a roll number nor a name. If it is no student's, leave it out with ignore_rows=8.",
        ],
    ),
    (
        "POST /imports?mode=insert",
        "roll_no,name,branch\nS1,A,B\n",
        [
            "1 of 1 rows are invalid; nothing was written.",
            "2: Student S1 already exists.",
        ],
    ),
    (
        "POST /imports?mode=update",
        "roll_no,name,branch\nS9,A,B\n",
        [
            "1 of 1 rows are invalid; nothing was written.",
            "2: There is no student S9.",
        ],
    ),
    ("GET /imports/x", "", ["There is no import x."]),
    (
        "POST /imports?roll_no=8B&scale=math:0&mode=x",
        "",
        [
            (
                "roll_no: Write 'number', or 'number:' and a prefix of up to 40 letters A to Z, digits, "
                "'.', '_' and '-'."
            ),
            'scale: The scale of "math" must be a number above 0, such as 20 or 12.5.',
            "mode: This must be 'insert', 'upsert' or 'update'.",
        ],
    ),
    ("GET /exports/students?format=ods", "", ["format: This must be 'csv', 'ndjson' or 'xlsx'."]),
]

ANALYTICS: list[Case] = [
    ("GET /statistics?pass_mark=101", "", ["pass_mark: A mark lies between 0 and 100."]),
    ("GET /statistics?by=age", "", ["by: This must be 'branch'."]),
    ("GET /rankings?by=marks.a.b", "", ["by: A subject cannot contain a dot; write '-' or a space instead."]),
    ("GET /report-cards/S9", "", ["There is no student S9."]),
]


def sentences(client: TestClient, sent: str, body: object) -> list[str]:
    """Send a request. Return the detail of the problem, and the sentence of each error after its location."""
    method, _, path = sent.partition(" ")
    content = body if isinstance(body, str) else json.dumps(body)
    media_type = "text/csv" if path.startswith("/imports") else "application/json"
    problem = client.request(method, path, content=content.encode(), headers={"Content-Type": media_type}).json()
    detail = [problem["detail"]] if "detail" in problem else []
    errors = problem.get("errors", [])
    return detail + [f"{next(error[at] for at in LOCATIONS if at in error)}: {error['detail']}" for error in errors]


@pytest.mark.parametrize(
    "cases",
    [CORE, AUTH, STUDENTS, TRANSFERS, ANALYTICS],
    ids=["core", "auth", "students", "transfers", "analytics"],
)
def test_the_error_messages_of_a_module(client: TestClient, cases: list[Case]) -> None:
    sign_in(client)
    assert client.post("/students", json=S1).status_code == 201

    assert [(sent, body, sentences(client, sent, body)) for sent, body, _ in cases] == cases
