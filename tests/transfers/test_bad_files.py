"""Files that cannot be read: each gets a response that names the error, and nothing of it remains stored."""

import gzip
import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from tests.conftest import AppClient, sign_in
from tests.transfers.helpers import CSV, JSON, NDJSON, send, students

HEADER = "roll_no,name,branch,math\n"
GOOD = "S1,Asha,Physics,91\n"
FORM = "multipart/form-data; boundary=limit"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("class.csv", HEADER + "".join(f"S{n},Asha,Physics,{n % 100}\n" for n in range(2000)))
    return buffer.getvalue()


def form(content: str, name: str = "class.csv", field: str = "file") -> bytes:
    head = f'--limit\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return f"{head}{content}\r\n--limit--\r\n".encode()


def assert_nothing_is_left(database: Database[JSON]) -> None:
    """Assert that there is no student, no part of a file, and no import that seems to run."""
    assert [database[name].count_documents({}) for name in ("students", "import_files", "import_changes")] == [0, 0, 0]
    at_work = {"state": {"$in": ["receiving", "running", "undoing"]}}
    assert list(database["imports"].find(at_work)) == []


UNREADABLE = {
    "UTF-8 with a wrong byte": ((HEADER + "S1,Zoë,Physics,91\n").encode() + b"S2,Zo\xeb,Physics,91\n", CSV, "UTF-8"),
    "UTF-8 that is cut off": ((HEADER + "S1,Zoë,Physics,91\nS2,Zoë").encode()[:-1], CSV, "UTF-8"),
    "UTF-16 that is cut off": ((HEADER + GOOD).encode("utf-16")[:-1], CSV, "not UTF-16"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", CSV, "not a text file"),
    "UTF-16 without BOM": ((HEADER + GOOD).encode("utf-16-le"), CSV, "NUL"),
    "latin-1 as NDJSON": ('{"roll_no": "S1", "name": "Zoë"}'.encode("latin-1"), NDJSON, "UTF-8"),
    "empty": (b"", CSV, "roll_no"),
    "only a BOM": (b"\xef\xbb\xbf", CSV, "roll_no"),
    "only line ends": (b"\r\n\r\n", CSV, "roll_no"),
    "no header": (GOOD.encode(), CSV, "roll_no"),
    "Roll Number twice": (b"roll_no,Roll No,name,branch\nS1,S2,A,B\n", CSV, 'Columns 1 "roll_no" and 2 "Roll No"'),
    "Rol No": (("Rol No" + HEADER[7:] + GOOD).encode(), CSV, '"Rol No"'),
    "parts of the name": (b"roll_no,First name,Surname,branch\nS1,A,B,C\n", CSV, 'Columns "First name" and "Surname"'),
    "half of the name": (b"roll_no,Surname,branch\nS1,A,B\n", CSV, '"Surname" is only a part'),
    "Names": ((HEADER.replace("name", "Names") + GOOD).encode(), CSV, '"Names"'),
    "a column twice": (b"roll_no,name,branch,math,math\nS1,A,B,1,2\n", CSV, '"math"'),
    "a column twice, once with marks.": (b"roll_no,name,branch,math,marks.math\nS1,A,B,1,2\n", CSV, '"math"'),
    "roll_no twice": (b"roll_no,name,branch,roll_no\nS1,A,B,S2\n", CSV, '"roll_no"'),
    "a subject with a dot": (b"roll_no,name,branch,a.b\nS1,A,B,1\n", CSV, 'Column 4, "a.b"'),
    "a subject with a dollar": (b"roll_no,name,branch,$a\nS1,A,B,1\n", CSV, 'Column 4, "$a"'),
    "a NUL byte": (b"roll_no,name,branch\nS1,A\0a,B\n", CSV, "ine 2 "),
    "a NUL byte as NDJSON": (b'{"roll_no":"S1","name":"a\0"}\n', NDJSON, "ine 1 "),
    "a cell of 10 MB": ((HEADER + f"S1,{'x' * 10_000_000},B,1\n").encode(), CSV, "1,000,000"),
    "a cell of 10 MB as NDJSON": (b'{"name":"' + b"x" * 10_000_000 + b'"}', NDJSON, "1,000,000"),
    "a cell of 200 kB": ((HEADER + f"S1,{'x' * 200_000},B,1\n").encode(), CSV, "line 2"),
    "a column's name of 200 kB": (f"roll_no,{'x' * 200_000}\nS1,1\n".encode(), CSV, "line 1"),
    "a quotation mark left open": ((HEADER + GOOD + 'S2,"Asha,Physics,91\nS3,B,C,1\n').encode(), CSV, "line 3"),
    "text behind a quotation mark": ((HEADER + 'S2,"As"ha,Physics,91\n').encode(), CSV, "line 2"),
    "a row of 2 MB on many lines": (
        (HEADER + "S1" + ',"\n"' * 500_000 + "\n").encode(),
        CSV,
        "1,000,000",
    ),
    "a zip": (zipped(), CSV, "zip archive"),
    "a zip as NDJSON": (zipped(), NDJSON, "zip archive"),
    "gzip": (gzip.compress(HEADER.encode()), CSV, "UTF-8"),
    "many columns": (
        (",".join(["roll_no", *(f"s{n}" for n in range(10_000))]) + "\n").encode(),
        CSV,
        "10,000",
    ),
    "a million columns": (("roll_no" + ",s" * 1_000_000 + "\n").encode(), CSV, "1,000,000"),
    "a million columns of which two have names": (("roll_no" + "," * 900_000 + "x\n").encode(), CSV, "10,000"),
}


@pytest.mark.parametrize(("content", "media", "named"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_the_error_for_an_unreadable_file_names_its_cause(
    teacher: TestClient, database: Database[JSON], content: bytes, media: str, named: str
) -> None:
    answer = send(teacher, content, media)

    assert answer.status_code == 422, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    report = answer.json()
    assert (report["type"], report["state"]) == ("/problems/invalid-file", "failed")
    assert named in report["detail"]
    assert (report["created"], report["updated"]) == (0, 0)
    assert len(answer.content) < 2_000
    listed = teacher.get("/imports").json()[0]
    assert (listed["id"], listed["state"]) == (report["id"], "failed")
    assert (listed["created"], listed["updated"]) == (0, 0)
    assert students(teacher) == {}
    assert database["import_files"].count_documents({}) == 0


def test_what_stood_before_the_unreadable_part_is_not_written(teacher: TestClient, database: Database[JSON]) -> None:
    good = "".join(f"S{number},Asha,Physics,{number % 90}\n" for number in range(2_000))

    for on_error in ("reject", "skip"):
        answer = send(teacher, HEADER + good + 'X,"open', on_error=on_error)

        assert answer.status_code == 422
        assert "line 2002" in answer.json()["detail"]
        assert (answer.json()["created"], answer.json()["updated"]) == (0, 0)
        assert students(teacher) == {}
    assert database["import_files"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"Content-Type": "application/json"}, "application/json"),
        ({"Content-Type": "application/zip"}, "application/zip"),
        ({"Content-Type": "application/vnd.ms-excel"}, "vnd.ms-excel"),
        ({"Content-Type": ""}, "missing"),
        ({"Content-Type": CSV, "Content-Encoding": "gzip"}, "gzip"),
    ],
)
def test_another_kind_of_body_is_refused(
    teacher: TestClient, database: Database[JSON], headers: dict[str, str], named: str
) -> None:
    answer = teacher.post("/imports", content=(HEADER + GOOD).encode(), headers=headers)

    assert answer.status_code == 415, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert named in answer.json()["detail"]
    assert_nothing_is_left(database)


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (form(HEADER + GOOD, field="other"), FORM, 422),
        (b"--limit--\r\n", FORM, 422),
        (b'--limit\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--limit--\r\n', FORM, 422),
        (form(HEADER + GOOD), "multipart/form-data", 400),
        (form(HEADER + GOOD), "multipart/form-data; boundary=another", 400),
        (b"no form at all", FORM, 400),
    ],
    ids=["other field", "no field", "text field", "no boundary", "other boundary", "no form"],
)
def test_a_form_that_has_no_file_is_refused(
    teacher: TestClient, database: Database[JSON], body: bytes, media: str, status: int
) -> None:
    answer = send(teacher, body, media)

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    assert_nothing_is_left(database)


BAD_ROWS = {
    "too few cells": ("S1,Asha\n", CSV, "missing"),
    "too many cells": ("S1,Asha,Physics,91,5\n", CSV, "ragged"),
    "very many cells": ("S1" + ",5" * 400_000 + "\n", CSV, "ragged"),
    "no roll number": (",Asha,Physics,91\n", CSV, "missing"),
    "no name": ("S1,,Physics,91\n", CSV, "missing"),
    "a strange roll number": ("S 1,Asha,Physics,91\n", CSV, "code_character"),
    "a mark too high": ("S1,Asha,Physics,950\n", CSV, "mark_range"),
    "a mark with three decimals": ("S1,Asha,Physics,9.125\n", CSV, "mark_decimals"),
    "a mark in words": ("S1,Asha,Physics,good\n", CSV, "mark_type"),
    "a mark that is NaN": ("S1,Asha,Physics,NaN\n", CSV, "mark_type"),
    "a mark with an exponent": ("S1,Asha,Physics,1e1\n", CSV, "mark_notation"),
    "a mark in digits of two scripts": ("S1,Asha,Physics,8\u0665\n", CSV, "mark_type"),
    "a name on two lines": ('S1,"As\nha",Physics,1\n', CSV, "not_printable"),
    "no JSON": ("{'roll_no': 'S1'}\n", NDJSON, "json_invalid"),
    "half a line": ('{"roll_no": "S1", "na', NDJSON, "json_invalid"),
    "a list": ("[1]\n", NDJSON, "object"),
    "a deeply nested list": ("[" * 400_000 + "\n", NDJSON, "json_invalid"),
    "a deep object": ('{"name":' * 900 + "1" + "}" * 900 + "\n", NDJSON, "string_type"),
    "a long number": ('{"roll_no": ' + "9" * 10_000 + "}\n", NDJSON, "json_invalid"),
    "NaN": ('{"roll_no":"S1","name":"A","branch":"B","marks":{"m":NaN}}\n', NDJSON, "mark_range"),
    "1e999": ('{"roll_no":"S1","name":"A","branch":"B","marks":{"m":1e999}}\n', NDJSON, "mark_range"),
    "true": ('{"roll_no":"S1","name":"A","branch":"B","marks":{"m":true}}\n', NDJSON, "mark_type"),
    "a mark as a string": ('{"roll_no":"S1","name":"A","branch":"B","marks":{"m":"5"}}\n', NDJSON, "mark_type"),
    "marks that are a list": ('{"roll_no":"S1","name":"A","branch":"B","marks":[1]}\n', NDJSON, "dict_type"),
    "a roll number that is a list": ('{"roll_no":[],"name":"A","branch":"B"}\n', NDJSON, "string_type"),
    "a roll number that is a number": ('{"roll_no":1,"name":"A","branch":"B"}\n', NDJSON, "string_type"),
    "half a character": ('{"roll_no":"S1","name":"\\ud800","branch":"B"}\n', NDJSON, "json_invalid"),
    "half a character in a subject": (
        '{"roll_no":"S","name":"A","branch":"B","marks":{"\\ud800":1}}\n',
        NDJSON,
        "json_invalid",
    ),
    "a NUL character": ('{"roll_no":"S1","name":"A\\u0000","branch":"B"}\n', NDJSON, "not_printable"),
    "a null mark of an invalid subject": (
        '{"roll_no":"S1","name":"A","branch":"B","marks":{"a.b":null}}\n',
        NDJSON,
        "subject_dot",
    ),
    "another field": ('{"roll_no":"S1","name":"A","branch":"B","age":5}\n', NDJSON, "extra_forbidden"),
    "a long field": ('{"roll_no":"S1","name":"A","branch":"B","' + "x" * 100_000 + '":5}\n', NDJSON, "extra_forbidden"),
    "a name that is null": ('{"roll_no":"S1","name":null,"branch":"B"}\n', NDJSON, "string_type"),
    "too many subjects": (
        '{"roll_no":"S1","name":"A","branch":"B","marks":{' + ",".join(f'"s{n}":1' for n in range(101)) + "}}\n",
        NDJSON,
        "subjects",
    ),
}


@pytest.mark.parametrize("media", [CSV, NDJSON])
def test_the_error_for_an_invalid_row_has_a_code(teacher: TestClient, database: Database[JSON], media: str) -> None:
    good = HEADER + "S9,Good,Physics,1\n" if media == CSV else '{"roll_no":"S9","name":"Good","branch":"Physics"}\n'
    cases = [(name, text, code) for name, (text, kind, code) in BAD_ROWS.items() if kind == media]
    cases.sort(key=lambda case: case[1].endswith("\n"), reverse=True)  # the one without a line end is the last line
    text, expected = good, list[tuple[str, int, int, str]]()
    for row, (name, line, code) in enumerate(cases, 2):
        expected.append((name, row, text.count("\n") + 1, code))
        text += line.replace("S1", f"S1{row}")

    rejected = send(teacher, text, media)
    left = students(teacher)
    skipped = send(teacher, text, media, on_error="skip")

    assert (rejected.status_code, rejected.json()["type"]) == (422, "/problems/import-rejected"), rejected.text[:300]
    assert left == {}
    counted = (skipped.status_code, skipped.json()["created"], skipped.json()["failed"])
    assert counted == (201, 1, len(cases))
    assert list(students(teacher)) == ["S9"]
    for answer in (rejected, skipped):
        errors: dict[int, JSON] = {}
        for error in answer.json()["errors"]:
            errors.setdefault(error["row"], error)
            assert error["detail"]
            assert len(json.dumps(error)) < 4_000
        assert [(name, row, errors[row]["line"], errors[row]["code"]) for name, row, _, _ in expected] == expected
        assert teacher.get(f"/imports/{answer.json()['id']}/errors.csv").status_code == 200
    assert database["import_files"].count_documents({}) == 0


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize("media", [CSV, FORM])
def test_a_file_that_is_too_large_is_refused(
    open_client: AppClient, database: Database[JSON], media: str, announced: bool
) -> None:
    client = sign_in(open_client(import_max_bytes=1_500_000))
    text = HEADER + "".join(f"S{number},Asha,Physics,91\n" for number in range(90_000))
    content = form(text) if media == FORM else text.encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), 50_000):
            yield content[start : start + 50_000]

    answer = client.post("/imports", content=content if announced else pieces(), headers={"Content-Type": media})

    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert "1500000" in answer.json()["detail"]
    assert_nothing_is_left(database)
    assert client.get("/imports").json() == []


def test_a_file_may_be_larger_than_other_bodies(open_client: AppClient) -> None:
    client = sign_in(open_client(max_body_bytes=1_000))

    answer = send(client, HEADER + "".join(f"S{number},Asha,Physics,{number % 90}\n" for number in range(200)))

    assert (answer.status_code, answer.json()["created"]) == (201, 200)
