"""Imports of whole classes in one request: the stored students equal the file."""

import csv
import dataclasses
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.api import ProblemDetails
from core.identity import Role
from core.settings import Settings
from modules.transfers.schemas import FileError, ImportProblem
from tests.auth.people import make
from tests.conftest import sign_in
from tests.processes import ROOT, until
from tests.transfers.helpers import (
    CSV,
    JSON,
    NDJSON,
    add,
    counts,
    imported,
    lines,
    read_table,
    send,
    stored,
    student,
    students,
    table,
)

WHOLE = ROOT.parent / "shared" / "data" / "gcse.csv"

ROWS: list[list[object]] = [
    ["roll_no", "name", "branch", "math", "art"],
    ["S1", 'Asha "Ash" Rao', "Physics, applied", 91, ""],
    ["S2", "Zoë; Łuk", "Physics", "", 64.5],
    ["S3", "Łuk\tX", "Physics", 0, 100],
]
ROWS[3][1] = "Łuk"
CLASS = {
    "S1": student('Asha "Ash" Rao', "Physics, applied", math=91),
    "S2": student("Zoë; Łuk", "Physics", art=64.5),
    "S3": student("Łuk", "Physics", math=0, art=100),
}


def with_decimal_commas(separator: str) -> str:
    return table([[str(cell).replace("64.5", "64,5") for cell in row] for row in ROWS], separator)


FILES = {
    "comma": table(ROWS),
    "CRLF": table(ROWS, end="\r\n"),
    "BOM": "\ufeff" + table(ROWS),
    "no last line end": table(ROWS).rstrip("\n"),
    "empty lines": table(ROWS).replace("\n", "\n\n\r\n"),
    "semicolon": with_decimal_commas(";"),
    "semicolon with points": table(ROWS, ";"),
    "tab": table(ROWS, "\t"),
    "tab with decimal commas": with_decimal_commas("\t"),
    "marks. in front": table([["roll_no", "name", "branch", "marks.math", "marks.art"], *ROWS[1:]]),
    "another order of columns": table([row[::-1] for row in ROWS]),
    "spaces": table([[f" {cell} " for cell in row] for row in ROWS]),
    "all quoted": "".join(",".join('"' + str(c).replace('"', '""') + '"' for c in row) + "\n" for row in ROWS),
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_tables_in_all_supported_dialects_are_imported(teacher: TestClient, text: str) -> None:
    report = imported(teacher, text)

    assert counts(report) == (3, 3, 0, 0, 0)
    assert students(teacher) == CLASS


def test_ndjson_is_imported(any_teacher: TestClient) -> None:
    rows: list[JSON] = [{"roll_no": roll_no, **content} for roll_no, content in CLASS.items()]
    rows[0]["marks"] = {"math": 91, "art": None}

    report = imported(any_teacher, "\n" + lines(rows) + "\n", NDJSON)

    assert counts(report) == (3, 3, 0, 0, 0)
    assert students(any_teacher) == CLASS


@pytest.mark.parametrize("path", ["/imports/upload", "/imports"])
@pytest.mark.parametrize(("name", "media"), [("a.csv", "application/octet-stream"), ("b.csv", CSV), ("c.ndjson", "")])
def test_a_form_is_imported(teacher: TestClient, name: str, media: str, path: str) -> None:
    text = lines([{"roll_no": key, **value} for key, value in CLASS.items()]) if "nd" in name else table(ROWS)

    answer = teacher.post(path, files={"file": (name, text.encode(), media)}, params={"mode": "insert"})

    assert answer.status_code == 201, answer.text
    assert (answer.json()["filename"], answer.json()["mode"], answer.json()["size"]) == (
        name,
        "insert",
        len(text.encode()),
    )
    assert students(teacher) == CLASS


def test_the_file_of_a_form_is_previewed(teacher: TestClient) -> None:
    text = table(ROWS).encode()

    previews = [
        teacher.post("/imports/preview/upload", files={"file": ("a.csv", text, CSV)}),
        teacher.post("/imports/preview", files={"file": ("a.csv", text, CSV)}),
        teacher.post("/imports/preview", content=text, headers={"Content-Type": CSV}),
    ]

    assert [preview.status_code for preview in previews] == [200] * 3
    assert previews[0].json() == previews[1].json() == previews[2].json()
    assert students(teacher) == {}


@pytest.mark.parametrize("path", ["/imports/upload", "/imports/preview/upload"])
def test_a_route_for_forms_takes_nothing_else(teacher: TestClient, path: str) -> None:
    answer = teacher.post(path, content=table(ROWS).encode(), headers={"Content-Type": CSV})

    assert answer.status_code == 415
    assert answer.json()["detail"].endswith("Supported types: multipart/form-data.")


def test_a_form_has_no_other_fields_than_the_file(teacher: TestClient) -> None:
    file = {"file": ("class.csv", b"roll_no,name,branch\nS1,Asha,Physics\n", "text/csv")}
    answer = teacher.post("/imports", files=file, data={"dry_run": "true"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#")
    assert teacher.get("/students").json() == []


PROBLEMS = {
    "rejected": ("roll_no,name,branch,math\nS1,Asha,Physics,950\n", "upsert"),
    "a question": ("roll_no,name,branch,Rank\nS1,Asha,Physics,1\nS2,Bo,Physics,2\n", "upsert"),
    "unreadable": ("name,branch\n", "upsert"),
    "wrong parameter": ("roll_no,name,branch\nS1,Asha,Physics\n", "wrong"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_problem_of_an_import_has_only_documented_members(teacher: TestClient, problem: str) -> None:
    content, mode = PROBLEMS[problem]

    answer = send(teacher, content, mode=mode)

    assert answer.status_code == 422
    assert answer.json().keys() <= {*ProblemDetails.model_fields, *ImportProblem.model_fields}
    known = {field.name for field in dataclasses.fields(FileError)}
    assert {key for error in answer.json().get("errors", []) for key in error} <= known


def test_the_line_of_an_error_counts_line_ends_within_cells(teacher: TestClient) -> None:
    text = 'roll_no,name,branch,math\nS1,"A\n\nsha",Physics,1\nS2,B,"Phy\r\nsics",1\n\nS3,C,Physics,950\n'

    errors = send(teacher, text).json()["errors"]

    assert [(one["row"], one["line"], one["field"]) for one in errors] == [
        (1, 2, "name"),
        (2, 5, "branch"),
        (3, 8, "math"),
    ]


def test_subjects_may_be_called_like_fields(teacher: TestClient) -> None:
    text = 'roll_no,name,branch,marks.name,marks.roll_no,"a;b;c;d;e;f"\nS1,Asha,Physics,1,2,3\n'

    imported(teacher, text)

    assert students(teacher)["S1"]["marks"] == {"name": 1, "roll_no": 2, "a;b;c;d;e;f": 3}


@pytest.mark.parametrize(("blank", "left"), [("keep", {"math": 5, "art": 6}), ("remove", {"art": 6})])
def test_a_blank_cell_removes_a_mark_only_on_request(
    any_teacher: TestClient, blank: str, left: dict[str, float]
) -> None:
    add(any_teacher, "S1", math=5, art=6)

    for text, media in (("roll_no,math\nS1,\n", CSV), ('{"roll_no":"S1","marks":{"math":null}}\n', NDJSON)):
        imported(any_teacher, text, media, blank=blank, mode="update")
        assert students(any_teacher)["S1"]["marks"] == left


def test_a_null_mark_removes_its_subject_in_any_unicode_form(teacher: TestClient) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    add(teacher, "S1")
    imported(teacher, lines([{"roll_no": "S1", "marks": {composed: 5}}]), NDJSON)

    imported(teacher, lines([{"roll_no": "S1", "marks": {f" {decomposed} ": None}}]), NDJSON, blank="remove")

    assert students(teacher)["S1"]["marks"] == {}


def test_a_blank_name_keeps_the_stored_one(teacher: TestClient) -> None:
    add(teacher, "S1", "Asha", "Physics", math=5)

    report = imported(teacher, "roll_no,name,branch,math\nS1,,,6\n")

    assert report["updated"] == 1
    assert students(teacher) == {"S1": student("Asha", "Physics", math=6)}


@pytest.mark.parametrize(
    ("mode", "failed", "left"),
    [("insert", "exists", ["S2"]), ("update", "absent", ["S1"]), ("upsert", None, ["S1", "S2"])],
)
def test_a_mode_selects_the_students_to_write(
    any_teacher: TestClient, mode: str, failed: str | None, left: list[str]
) -> None:
    add(any_teacher, "S1", "Old")
    text = "roll_no,name,branch\nS1,New,Physics\nS2,New,Physics\n"

    rejected = send(any_teacher, text, mode=mode, dry_run="true")
    skipped = imported(any_teacher, text, mode=mode, on_error="skip")

    assert [one["code"] for one in rejected.json()["errors"]] == [failed][: bool(failed)]
    assert skipped["failed"] == bool(failed)
    assert [roll_no for roll_no, one in students(any_teacher).items() if one["name"] == "New"] == left


@pytest.mark.parametrize("on_error", ["reject", "skip"])
def test_a_dry_run_ends_like_the_import_and_writes_nothing(any_teacher: TestClient, on_error: str) -> None:
    for number in range(3):
        add(any_teacher, f"S{number}", math=number)
    text = "roll_no,name,branch,math\nS0,Asha,Physics,0\nS1,Asha,Physics,5\nS7,Asha,Physics,7\nS8,,,\n"
    before = any_teacher.get("/students").json()

    dry = send(any_teacher, text, dry_run="true", on_error=on_error)

    assert counts(dry.json()) == (4, 1, 1, 1, 1)
    assert any_teacher.get("/students").json() == before
    real = send(any_teacher, text, on_error=on_error)
    assert (dry.status_code, dry.json()["state"]) == (real.status_code, real.json()["state"])
    assert dry.json()["state"] == ("rejected" if on_error == "reject" else "done")


def test_a_dry_run_leaves_the_database_as_it_is(teacher: TestClient, database: Database[JSON]) -> None:
    add(teacher, "S1", "Before")
    before = stored(database)

    imported(teacher, table(ROWS), dry_run="true")

    assert stored(database) == before
    assert [database[name].count_documents({}) for name in ("import_files", "import_changes")] == [0, 0]


def test_one_invalid_row_rejects_the_whole_file(teacher: TestClient, database: Database[JSON]) -> None:
    add(teacher, "S1", "Before")
    before = stored(database)
    text = table([*ROWS, ["S4", "Asha", "Physics", 950, "x"]])

    answer = send(teacher, text)

    assert (answer.status_code, answer.json()["state"], counts(answer.json())[0]) == (422, "rejected", 4)
    assert (answer.json()["created"], answer.json()["updated"], answer.json()["failed"]) == (0, 0, 1)
    first, second = answer.json()["errors"]
    assert first.pop("detail")
    assert first == {"row": 4, "line": 5, "field": "math", "value": "950", "code": "mark_range"}
    assert (second["field"], second["value"]) == ("art", "x")
    assert stored(database) == before


def test_the_first_hundred_failed_rows_are_told_and_the_rest_counted(teacher: TestClient) -> None:
    text = "roll_no,name,branch,math\n" + "".join(f"S{number},A,B,{950 + number % 7}\n" for number in range(1_234))

    report = send(teacher, text).json()

    assert (report["failed"], len(report["errors"]), report["errors_left_out"]) == (1_234, 100, 1_134)
    assert [one["row"] for one in report["errors"]] == list(range(1, 101))
    failed = read_table(teacher.get(f"/imports/{report['id']}/errors.csv").text)
    assert [row[0] for row in failed[1:]] == [f"S{number}" for number in range(1_234)]


def test_failed_rows_can_be_mended_and_sent_again(teacher: TestClient) -> None:
    text = table([*ROWS, ["S4", 'Asha, "A"', "=Physics", "nine", ""], ["S5", "B"], ["S1", "C", "D", 1, ""]])

    report = imported(teacher, text, on_error="skip")
    answer = teacher.get(f"/imports/{report['id']}/errors.csv")
    assert answer.content.startswith(b"\xef\xbb\xbfroll_no,")
    failed = read_table(answer.content.decode("utf-8-sig"))

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "errors.csv" in answer.headers["Content-Disposition"]
    assert failed[0] == ["roll_no", "name", "branch", "math", "art", "import_error"]
    assert failed[1][:5] == ["S4", 'Asha, "A"', "'=Physics", "nine", ""]
    assert failed[1][5].startswith("math: ")
    assert failed[2][:5] == ["S5", "B", "", "", ""]
    assert failed[2][5].startswith("branch: ")
    assert failed[3][5].startswith("roll_no: ")
    corrected = [failed[0], [*failed[1][:3], "9.5", *failed[1][4:]], ["S5", "B", "C", "", "", ""], failed[3]]
    assert counts(imported(teacher, table(corrected))) == (3, 2, 1, 0, 0)
    assert students(teacher)["S4"] == student('Asha, "A"', "=Physics", math=9.5)


def test_an_error_in_errors_csv_is_not_a_formula(teacher: TestClient) -> None:
    report = send(teacher, "roll_no,name,branch,=cmd\nS1,A,B,950\n").json()

    assert read_table(teacher.get(f"/imports/{report['id']}/errors.csv").text)[1][-1].startswith("'=cmd: ")


@pytest.mark.parametrize("distance", [1, 700], ids=["near", "far"])
def test_the_error_for_a_duplicate_roll_number_names_both_lines(teacher: TestClient, distance: int) -> None:
    between = [[f"X{number}", "A", "B"] for number in range(distance)]
    text = table([["roll_no", "name", "branch"], ["S1", "First", "B"], *between, [" S1", "Second", "B"]])

    report = imported(teacher, text, on_error="skip")

    assert (report["created"], report["failed"]) == (distance + 1, 1)
    error = report["errors"][0]
    assert (error["line"], error["code"], error["value"]) == (distance + 3, "duplicate", "S1")
    assert re.findall(r"\d+", error["detail"]) == ["2", str(distance + 3)]
    assert students(teacher)["S1"]["name"] == "First"


@pytest.mark.parametrize(("deleted", "versions"), [("new", [1]), ("continue", [3, 2, 1])])
def test_the_number_of_a_deleted_student_can_be_imported(
    any_teacher: TestClient, deleted: str, versions: list[int]
) -> None:
    add(any_teacher, "S1", "Old", math=5, music=6)
    assert any_teacher.delete("/students/S1").status_code == 204

    report = imported(any_teacher, "roll_no,name,branch,math\nS1,New,Art,\n", mode="insert", deleted=deleted)

    assert (counts(report), report["deleted"]) == ((1, 1, 0, 0, 0), deleted)
    assert students(any_teacher) == {"S1": student("New", "Art")}
    assert [one["version"] for one in any_teacher.get("/students/S1/history").json()] == versions


def test_history_and_changes_contain_what_an_import_wrote(any_teacher: TestClient) -> None:
    for roll_no in ("S1", "S3", "S9"):
        add(any_teacher, roll_no, "Old", math=5)
    token = any_teacher.get("/changes").json()["next"]
    assert any_teacher.put("/students/S3", json=CLASS["S3"]).status_code == 200
    token = any_teacher.get("/changes", params={"since": token}).json()["next"]

    report = imported(any_teacher, table(ROWS))

    assert counts(report) == (3, 1, 1, 1, 0)
    source = f"import {report['id']}"
    for roll_no, action in (("S1", "updated"), ("S2", "created")):
        newest = any_teacher.get(f"/students/{roll_no}/history").json()[0]
        assert (newest["source"], newest["action"], newest["by"]) == (source, action, "alice")
    assert {one["source"] for one in any_teacher.get("/students/S3/history").json()} == {None}
    changed = any_teacher.get("/changes", params={"since": token}).json()["changes"]
    assert {one["roll_no"] for one in changed} == {"S1", "S2"}
    assert any_teacher.patch("/students/S1", json={"name": "Newer"}).status_code == 200
    assert any_teacher.get("/students/S1/history").json()[0]["source"] is None


def test_the_same_key_imports_once(any_teacher: TestClient) -> None:
    key = {"Idempotency-Key": "class 7b"}
    first = send(any_teacher, table(ROWS), headers=key)
    assert any_teacher.patch("/students/S1", json={"name": "Since"}).status_code == 200

    again = send(any_teacher, table(ROWS), headers=key)
    other_file = send(any_teacher, table(ROWS[:2]), headers=key)
    other_options = send(any_teacher, table(ROWS), headers=key, mode="update")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert students(any_teacher)["S1"]["name"] == "Since"
    for answer in (other_file, other_options):
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/key-reused")
    assert len(any_teacher.get("/imports").json()) == 1


@pytest.mark.parametrize("content", ["roll_no,name,branch\n!,A,B\n", "name,branch\n"], ids=["rejected", "failed"])
def test_the_same_key_is_refused_again_for_the_same_reason(teacher: TestClient, content: str) -> None:
    key = {"Idempotency-Key": "class 7b"}

    first, again = (send(teacher, content, headers=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (422, 422)
    assert {**again.json(), "request_id": ""} == {**first.json(), "request_id": ""}
    assert len(teacher.get("/imports").json()) == 1


def test_users_may_have_the_same_key(client: TestClient, settings: Settings) -> None:
    key = {"Idempotency-Key": "class 7b"}
    first = send(sign_in(client), table(ROWS), headers=key).json()

    second = send(sign_in(client, "bob"), table(ROWS), headers=key)

    assert (second.status_code, second.json()["unchanged"], second.json()["by"]) == (201, 3, "bob")
    assert second.json()["id"] != first["id"]


def test_an_asynchronous_import_returns_its_location(teacher: TestClient) -> None:
    text = "roll_no,name,branch\n" + "".join(f"S{number},A,B\n" for number in range(3_000))

    answer = send(teacher, text, headers={"Prefer": "respond-async"})

    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    address = answer.headers["Location"]
    assert address == f"/imports/{answer.json()['id']}"
    percents: list[int] = []

    def finished() -> JSON | None:
        report: JSON = teacher.get(address).json()
        percents.append(report["percent"])
        return report if report["state"] == "done" else None

    assert counts(until(finished)) == (3_000, 3_000, 0, 0, 0)
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_progress_is_sent_as_events(teacher: TestClient) -> None:
    text = "roll_no,name,branch\n" + "".join(f"S{number},A,B\n" for number in range(3_000))
    address = send(teacher, text, headers={"Prefer": "respond-async"}).headers["Location"]

    answer = teacher.get(address, headers={"Accept": "text/event-stream"})

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = answer.text.rstrip("\n").split("\n\n")
    assert all(event.startswith("event: progress\ndata: {") for event in events)
    assert '"state":"done"' in events[-1]
    assert '"rows":3000' in events[-1]


def test_imports_are_listed_newest_first(any_teacher: TestClient) -> None:
    ids = [imported(any_teacher, table(ROWS), dry_run="true")["id"] for _ in range(5)]

    address, found = "/imports?limit=2", list[str]()
    while address:
        page = any_teacher.get(address)
        found += [one["id"] for one in page.json()]
        assert all((one["by"], one["state"], one["errors"]) == ("alice", "done", []) for one in page.json())
        address = page.links["next"]["url"] if "next" in page.links else ""

    assert found == ids[::-1]


def test_only_teachers_and_admins_can_import(client: TestClient, settings: Settings) -> None:
    viewer = make(client, settings, "viewer", Role.VIEWER)
    assert send(client, table(ROWS)).status_code == 401
    import_id = imported(sign_in(client), table(ROWS), dry_run="true")["id"]

    refused = send(client, table(ROWS), headers={"Authorization": f"Bearer {viewer.token}"})

    assert refused.status_code == 403
    for path in ("", f"/{import_id}", *(f"/{import_id}/{name}" for name in ("errors.csv", "plan", "plan.csv"))):
        assert viewer.ask("GET", f"/imports{path}").status_code == 403
    assert viewer.ask("GET", "/exports/students").status_code == 200
    assert students(client) == {}


@pytest.mark.parametrize(
    "params", [{"mode": "merge"}, {"dry_run": "perhaps"}, {"on_error": "x"}, {"blank": "x"}, {"dryrun": "true"}]
)
def test_a_wrong_parameter_is_named(teacher: TestClient, params: dict[str, Any]) -> None:
    answer = send(teacher, table(ROWS), **params)

    assert answer.status_code == 422
    assert [one["parameter"] for one in answer.json()["errors"]] == list(params)
    assert students(teacher) == {}


def test_the_examination_data_is_imported_and_exported(teacher: TestClient) -> None:
    if not WHOLE.exists():
        pytest.skip(f"{WHOLE} is missing")
    rows: list[dict[str, Any]] = list(csv.DictReader(WHOLE.read_text(encoding="utf-8").splitlines()))

    report = imported(teacher, WHOLE.read_bytes())

    assert counts(report) == (1905, 1905, 0, 0, 0)
    found = students(teacher)
    missing = {name: sum(name not in one["marks"] for one in found.values()) for name in ("written", "coursework")}
    assert missing == {"written": 202, "coursework": 180}
    assert all(found[row["roll_no"]]["name"] == row["name"] for row in rows)
    export = teacher.get("/exports/students").content
    assert counts(imported(teacher, export)) == (1905, 0, 0, 1905, 0)
    assert counts(imported(teacher, export, blank="remove")) == (1905, 0, 0, 1905, 0)
