"""The erasure of a student removes the student's data from imports."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import encode
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.identity import Role
from core.settings import Settings
from modules.students import StudentBulkStore
from modules.students.erasure import service as erasure
from modules.students.records.store import Writer
from modules.transfers.imports import failed_rows, plan, undo
from modules.transfers.models import FailedRow
from tests.auth.people import Person, make
from tests.students.test_erasure import dying
from tests.transfers import helpers
from tests.transfers.helpers import JSON, NDJSON, add, counts, imported, read_table, send, table
from tests.transfers.workbooks import XLSX, Sheet, xlsx

NAME, ROLL_NO, FORMER = "Erasmus Żółty Forgotten", "ER-90210", "OLD-90209"
EPOCH = datetime.fromtimestamp(0, UTC)
GOOD = ["S1", "Asha", "Physics", "1"]
HEADER = ["roll_no", "name", "branch", "math"]


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


def erase_student(admin: Person, roll_no: str = ROLL_NO) -> None:
    answer = admin.ask("DELETE", f"/students/{roll_no}?purge=true")
    assert answer.status_code == 204, answer.text


def traces(database: Database[JSON]) -> list[str]:
    """Return the collections with a document whose bytes still contain a name or a roll number of the student."""
    words = [NAME, "erasmus", ROLL_NO, FORMER]
    spellings = [word.encode() for word in (*words, json.dumps(NAME)[1:-1])]
    return [
        name
        for name in database.list_collection_names()
        for document in database[name].find()
        if any(word.lower() in encode(document).lower() for word in spellings)
    ]


def interrupt(database: Database[JSON], import_id: str, content: bytes) -> None:
    """Change an import to look like one whose server was killed while it wrote."""
    found = next(one for one in database["imports"].find() if str(one["_id"]) == import_id)
    changes = {"state": "running", "alive_at": EPOCH, "position": 0, "writing": True, "size": len(content)}
    database["imports"].update_one({"_id": found["_id"]}, {"$set": changes, "$unset": {"finished_at": ""}})
    chunk = {"import_id": found["_id"], "number": 0, "content": content, "expires_at": datetime(2999, 1, 1, tzinfo=UTC)}
    database["import_files"].insert_one(chunk)


def test_an_erasure_leaves_no_trace_in_any_collection(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, FORMER, NAME, math=1)
    text = table([HEADER, GOOD, [FORMER, NAME, "Art", "2"], ["S3", "Bo", "Art", "950"]])
    first = imported(teacher, text, on_error="skip")
    assert teacher.put(f"/students/{FORMER}/marks/math", json={"mark": 3}).status_code == 200
    assert teacher.post(f"/students/{FORMER}/rename", json={"roll_no": ROLL_NO}).status_code == 200
    undone = teacher.post(f"/imports/{first['id']}/undo").json()
    assert undone["kept"] == [ROLL_NO]
    bad = table(
        [HEADER, [ROLL_NO, NAME, "Art", "950"], ["", NAME, "Art", "1"], [ROLL_NO, "Short"], ["S4", "Y", "Z", "x"]]
    )
    rejected = send(teacher, bad, headers={"Idempotency-Key": f"class-{ROLL_NO}-b"})
    assert rejected.status_code == 422, rejected.text
    assert send(teacher, bad, dry_run="true").status_code == 422
    objects = [{"roll_no": FORMER, "name": NAME, "branch": 1}, {"name": NAME}, [NAME]]
    assert send(teacher, helpers.lines(objects) + f'{{"name": "{NAME}', NDJSON).status_code == 422
    unreadable = send(teacher, table([["roll_no", f"{NAME}.1"], ["S1", "1"]]))
    assert unreadable.status_code == 422
    form = {"file": (f"report {NAME.lower().replace(' ', '_')}.csv", table([HEADER, GOOD]).encode(), "text/csv")}
    key = {"Idempotency-Key": "report-of-erasmus"}
    assert teacher.post("/imports", files=form, headers=key).status_code == 201
    named = [xlsx(Sheet(name, [HEADER, GOOD])) for name in (NAME, f"of {ROLL_NO}")]
    imported(teacher, named[0], XLSX, sheet=NAME)
    imported(teacher, named[1], XLSX)
    assert send(teacher, named[0], XLSX, sheet=ROLL_NO).status_code == 422
    add(teacher, "S8", "Eve", "Art")
    rows = [[ROLL_NO, "Mus", "Art", "5", ""], ["S1", NAME, "Art", "5", ""], ["S8", "", "", "", "6"]]
    listed = imported(teacher, table([[*HEADER, NAME], *rows, ["S3", NAME, "Art", "5", ""]]), dry_run="true")
    assert (listed["name_changes"], len(listed["new_subjects"])) == (2, 1)
    stale = imported(teacher, table([HEADER, GOOD]))
    interrupt(database, stale["id"], text.encode())
    teacher.get("/changes")
    assert {"imports", "import_errors", "import_plans", "import_files", "students", "student_history"} <= set(
        traces(database)
    )

    erase_student(admin)

    assert traces(database) == []
    entries = teacher.get(f"/imports/{listed['id']}/plan").json()
    assert [(one["roll_no"], one["outcome"]) for one in entries] == [("S3", "created")]
    assert teacher.get(f"/imports/{listed['id']}").json()["new_subjects"] == []
    report = teacher.get(f"/imports/{rejected.json()['id']}").json()
    assert [error["code"] for error in report["errors"]] == ["erased", "erased", "erased", "mark_type"]
    assert (report["failed"], report["errors_stored"]) == (4, 4)
    rows = read_table(teacher.get(f"/imports/{rejected.json()['id']}/errors.csv").content.decode("utf-8-sig"))
    assert [row[:4] for row in rows[1:]] == [[""] * 4] * 3 + [["S4", "Y", "Z", "x"]]
    assert teacher.get(f"/imports/{first['id']}").json()["kept"] == []


def test_an_interrupted_import_without_its_file_can_be_undone_but_not_resumed(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, ROLL_NO, NAME)
    content = table([HEADER, GOOD, ["S2", "Bo", "Art", "2"]])
    report = imported(teacher, content)
    interrupt(database, report["id"], content.encode())

    erase_student(admin)

    resumed = teacher.post(f"/imports/{report['id']}/resume")
    assert (resumed.status_code, resumed.json()["type"]) == (409, "/problems/nothing-to-do")
    undone = teacher.post(f"/imports/{report['id']}/undo").json()
    assert (undone["state"], undone["restored"]) == ("undone", 2)


def test_an_incomplete_file_is_never_imported(teacher: TestClient, database: Database[JSON]) -> None:
    content = table([HEADER, GOOD, ["S2", "Bo", "Art", "2"]])
    report = imported(teacher, content)
    interrupt(database, report["id"], content.encode())
    half = content.encode()[: content.index("S2")]
    database["import_files"].update_many({}, {"$set": {"content": half}})

    resumed = teacher.post(f"/imports/{report['id']}/resume")

    assert (resumed.status_code, resumed.json()["type"]) == (409, "/problems/file-deleted")
    assert resumed.json()["state"] == "failed"
    assert helpers.students(teacher) == {}
    assert database["import_files"].count_documents({}) == 0


def test_rows_of_other_students_are_kept(teacher: TestClient, admin: Person) -> None:
    add(teacher, "7", "Li")
    bad = table([HEADER, ["8", "Lisa", "Art", "950"], ["17", "Bo", "7", "950"], ["7", "Li", "Art", "950"]])
    rejected = send(teacher, bad).json()

    erase_student(admin, "7")

    errors = teacher.get(f"/imports/{rejected['id']}").json()["errors"]
    assert [error["code"] for error in errors] == ["mark_range", "mark_range", "erased"]


def test_a_row_with_too_many_cells_is_found_by_a_short_roll_number(teacher: TestClient, admin: Person) -> None:
    add(teacher, "7", "Li")
    rejected = send(teacher, table([HEADER, ["7", "L", "Art", "1", "2"], ["8", "Bo", "Art", "1", "2"]])).json()

    erase_student(admin, "7")

    errors = teacher.get(f"/imports/{rejected['id']}").json()["errors"]
    assert [error["code"] for error in errors] == ["erased", "ragged"]


def test_keys_of_earlier_releases_are_removed_and_others_stay_valid(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, ROLL_NO, NAME)
    key = {"Idempotency-Key": "autumn"}
    current, earlier = send(teacher, table([HEADER, GOOD]), headers=key).json(), imported(teacher, table([HEADER]))
    before = next(one for one in database["imports"].find() if str(one["_id"]) == earlier["id"])
    database["imports"].update_one({"_id": before["_id"]}, {"$set": {"key": "alice:mark of erasmus"}})

    erase_student(admin)

    assert traces(database) == []
    assert send(teacher, table([HEADER, GOOD]), headers=key).json()["id"] == current["id"]


def test_an_undo_during_an_erasure_leaves_no_trace(
    teacher: TestClient, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = imported(teacher, table([HEADER, [ROLL_NO, NAME, "Art", "2"], GOOD]))
    for roll_no in (ROLL_NO, "S1"):
        assert teacher.put(f"/students/{roll_no}/marks/math", json={"mark": 3}).status_code == 200
    real = undo._undo_entries
    batches: list[Any] = []

    async def undo_entries(work: Any, entries: Any) -> Any:
        if batches:
            await erasure.erase(ROLL_NO, Writer("principal"))
        batches.append(entries)
        return await real(work, entries)

    monkeypatch.setattr(undo, "BATCH", 1)
    monkeypatch.setattr(undo, "_undo_entries", undo_entries)
    undone = teacher.post(f"/imports/{report['id']}/undo").json()

    assert len(batches) == 2
    assert (undone["kept"], undone["kept_count"]) == (["S1"], 2)
    assert teacher.get(f"/imports/{report['id']}").json()["kept"] == ["S1"]


def test_an_erasure_is_not_final_before_imports_are_cleaned(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, ROLL_NO, NAME)
    send(teacher, table([HEADER, [ROLL_NO, NAME, "Art", "950"]]))

    with dying(FailedRow.get_motor_collection(), "update_many", after=False):
        failed = admin.ask("DELETE", f"/students/{ROLL_NO}?purge=true")

    assert (failed.status_code, failed.json()["waits_for"]) == (202, ["transfers"])
    assert admin.ask("GET", "/erasures").json() == []
    assert teacher.get(f"/students/{ROLL_NO}").status_code == 404
    erase_student(admin)
    assert traces(database) == []
    assert len(admin.ask("GET", "/erasures").json()) == 1


def test_an_erasure_waits_for_the_modules_that_were_installed_when_it_began(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, ROLL_NO, NAME)
    changes = {
        "$set": {"erasing": {"at": EPOCH, "who": "a", "address": "b", "request_id": "c", "waits_for": ["other"]}}
    }
    database["students"].update_one({"roll_no": ROLL_NO}, changes)

    answer = admin.ask("DELETE", f"/students/{ROLL_NO}?purge=true")

    assert (answer.status_code, answer.json()["waits_for"]) == (202, ["other"])
    assert admin.ask("GET", answer.headers["Location"]).json() == answer.json()
    assert database["students"].count_documents({"roll_no": ROLL_NO}) == 1
    assert admin.ask("GET", "/erasures").json() == []


def test_counts_are_kept(teacher: TestClient, admin: Person) -> None:
    add(teacher, ROLL_NO, NAME)
    report = send(teacher, table([HEADER, [ROLL_NO, NAME, "Art", "950"]])).json()

    erase_student(admin)

    assert counts(teacher.get(f"/imports/{report['id']}").json()) == counts(report)


def test_an_erasure_waits_for_a_module_that_is_not_loaded(
    teacher: TestClient, admin: Person, database: Database[JSON]
) -> None:
    add(teacher, ROLL_NO, NAME)
    assert database["erasure_followers"].count_documents({"_id": "transfers"}) == 1
    database["erasure_followers"].insert_one({"_id": "absent"})

    first, again = (admin.ask("DELETE", f"/students/{ROLL_NO}?purge=true").status_code for _ in range(2))

    database["erasure_followers"].delete_one({"_id": "absent"})
    assert (first, again) == (202, 202)
    assert database["student_history"].count_documents({"name": NAME}) > 0


def test_a_row_that_fails_after_the_erasure_contains_no_trace(
    teacher: TestClient, admin: Person, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(teacher, ROLL_NO, NAME)
    purge_before(monkeypatch, ROLL_NO)

    answer = send(teacher, table([HEADER, [ROLL_NO, NAME, "Physics", "999"]]))

    assert (answer.status_code, database["import_errors"].count_documents({})) == (422, 1)
    assert traces(database) == []


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_an_entry_that_is_stored_after_the_purge_names_nobody(
    teacher: TestClient, admin: Person, database: Database[JSON], monkeypatch: pytest.MonkeyPatch, dry_run: str
) -> None:
    add(teacher, ROLL_NO, NAME)
    add(teacher, "S1")
    purge_before(monkeypatch, ROLL_NO, plan)

    report = imported(teacher, table([HEADER, GOOD, [ROLL_NO, "Mus", "Art", "5"]]), dry_run=dry_run, on_error="skip")

    assert traces(database) == []
    entries = teacher.get(f"/imports/{report['id']}/plan").json()
    assert [(one["row"], one["roll_no"], one["changes"]) for one in entries[:1]] == [(2, "", [])]
    assert [(one["roll_no"], len(one["changes"])) for one in entries[1:]] == [("S1", 1)]


def test_entries_about_others_stay(teacher: TestClient, admin: Person) -> None:
    for roll_no, name in (("7", "Li"), ("17", "Bo"), ("8", "Lisa")):
        add(teacher, roll_no, name)
    rows = [["8", "Lisa Ray", "Art", "7"], ["17", "Bo", "7", "7"], ["7", "Li", "Art", "1"], ["9", "Li", "Art", "1"]]
    report = imported(teacher, table([HEADER, *rows]), dry_run="true")

    erase_student(admin, "7")

    entries = teacher.get(f"/imports/{report['id']}/plan").json()
    assert [one["roll_no"] for one in entries] == ["8", "17", "9"]
    assert counts(teacher.get(f"/imports/{report['id']}").json()) == counts(report)


def purge_before(monkeypatch: pytest.MonkeyPatch, roll_no: str, where: Any = failed_rows) -> None:
    """Erase a student just before failed rows, or the plan, are stored."""
    store = where.store

    async def erase_and_store(*arguments: Any) -> None:
        if await StudentBulkStore.find([roll_no]):
            await erasure.erase(roll_no, Writer("principal"))
        await store(*arguments)

    monkeypatch.setattr(where, "store", erase_and_store)
