"""Undo of an import: unchanged students get their previous version back; changed ones are left as they are."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pymongo.database import Database

from core.identity import Role
from core.settings import Settings
from tests.auth.people import make
from tests.conftest import sign_in
from tests.transfers.helpers import JSON, add, imported, send, stored, student, students

CLASS = "roll_no,name,branch,math,art\nS1,Asha,Physics,91,\nS2,Zoë,Physics,,64\nS3,Łuk,Art,0,\n"


def undo_import(client: TestClient, import_id: str) -> JSON:
    answer = client.post(f"/imports/{import_id}/undo")
    assert answer.status_code == 200, answer.text
    report: JSON = answer.json()
    assert report["state"] == "undone"
    assert client.get(f"/imports/{import_id}").json() == report
    return report


def test_new_students_are_deleted_again(any_teacher: TestClient) -> None:
    first = imported(any_teacher, CLASS)

    report = undo_import(any_teacher, first["id"])

    assert (report["restored"], report["kept"], report["kept_count"]) == (3, [], 0)
    assert students(any_teacher) == {}
    history = any_teacher.get("/students/S1/history").json()
    assert [(one["action"], one["source"]) for one in history] == [
        ("deleted", f"undo of import {first['id']}"),
        ("created", f"import {first['id']}"),
    ]
    assert any_teacher.post("/students/S1/restore").status_code == 200
    assert students(any_teacher) == {"S1": student("Asha", "Physics", math=91)}


def test_an_undo_that_is_sent_again_has_the_same_response(teacher: TestClient) -> None:
    path = f"/imports/{imported(teacher, CLASS)['id']}/undo"
    key = {"Idempotency-Key": "undo"}

    first, again = teacher.post(path, headers=key), teacher.post(path, headers=key)

    assert (first.status_code, first.json()["restored"]) == (200, 3)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert teacher.post(path).status_code == 409


def test_changed_students_get_their_earlier_content_back(any_teacher: TestClient) -> None:
    add(any_teacher, "S1", "Before", "Chemistry", math=5, music=7.25)
    add(any_teacher, "S2", "Zoë", "Physics", art=64)
    before = students(any_teacher)
    first = imported(any_teacher, CLASS, blank="remove")
    assert (first["created"], first["updated"], first["unchanged"]) == (1, 1, 1)

    report = undo_import(any_teacher, first["id"])

    assert (report["restored"], report["kept_count"]) == (2, 0)
    assert students(any_teacher) == before
    assert len(any_teacher.get("/students/S2/history").json()) == 1


def test_a_student_who_was_deleted_before_is_deleted_again(teacher: TestClient) -> None:
    add(teacher, "S1", "Before")
    assert teacher.delete("/students/S1").status_code == 204
    first = imported(teacher, CLASS, deleted="continue")
    assert first["created"] == 3

    undo_import(teacher, first["id"])

    assert students(teacher) == {}
    actions = [one["action"] for one in teacher.get("/students/S1/history").json()]
    assert actions == ["deleted", "created", "deleted", "created"]


def test_students_changed_since_are_kept_and_listed(teacher: TestClient) -> None:
    first = imported(teacher, CLASS)
    assert teacher.patch("/students/S1", json={"marks": {"math": 92}}).status_code == 200
    assert teacher.post("/students/S2/rename", json={"roll_no": "S20"}).status_code == 200

    report = undo_import(teacher, first["id"])

    assert (report["restored"], sorted(report["kept"]), report["kept_count"]) == (1, ["S1", "S20"], 2)
    assert students(teacher) == {
        "S1": student("Asha", "Physics", math=92),
        "S20": student("Zoë", "Physics", art=64),
    }


def test_students_changed_and_changed_back_are_kept_too(teacher: TestClient) -> None:
    first = imported(teacher, CLASS)
    for mark in (92, 91):
        assert teacher.patch("/students/S1", json={"marks": {"math": mark}}).status_code == 200

    assert undo_import(teacher, first["id"])["kept"] == ["S1"]


def test_the_undo_of_an_import_keeps_what_a_later_import_wrote(teacher: TestClient) -> None:
    earlier = imported(teacher, CLASS)
    later = imported(teacher, "roll_no,math\nS1,1\n", mode="update")

    assert undo_import(teacher, earlier["id"])["kept"] == ["S1"]
    assert undo_import(teacher, later["id"])["restored"] == 1
    assert students(teacher) == {"S1": student("Asha", "Physics", math=91)}


def test_an_undo_brings_no_mark_above_todays_maximum(teacher: TestClient) -> None:
    for roll_no in ("S1", "S2"):
        add(teacher, roll_no, "Asha", "Physics", math={"S1": 90, "S2": 55}[roll_no])
    first = imported(teacher, "roll_no,math\nS1,50\nS2,50\n", mode="update")
    assert teacher.put("/subjects/math", json={"max": 60}).status_code == 200

    report = undo_import(teacher, first["id"])

    assert (report["restored"], report["kept"]) == (1, ["S1"])
    assert [one["marks"]["math"] for one in students(teacher).values()] == [50, 55]


def test_only_the_first_hundred_kept_students_are_named(teacher: TestClient) -> None:
    rows = "".join(f"S{number:03},Asha,Physics\n" for number in range(150))
    first = imported(teacher, "roll_no,name,branch\n" + rows)
    imported(teacher, "roll_no,name,branch\n" + rows.replace("Asha", "Zoë"))

    report = undo_import(teacher, first["id"])

    assert (report["restored"], len(report["kept"]), report["kept_count"]) == (0, 100, 150)


def test_an_import_can_be_undone_only_once(teacher: TestClient, database: Database[JSON]) -> None:
    first = imported(teacher, CLASS)
    undo_import(teacher, first["id"])
    before = stored(database)

    again = teacher.post(f"/imports/{first['id']}/undo")

    assert (again.status_code, again.json()["type"]) == (409, "/problems/nothing-to-do")
    assert stored(database) == before


@pytest.mark.parametrize(
    "params",
    [{"dry_run": "true"}, {"mode": "update"}, {"dry_run": "true", "mode": "update"}],
    ids=["dry run", "rejected", "rejected dry run"],
)
def test_what_wrote_nothing_cannot_be_undone(
    teacher: TestClient, database: Database[JSON], params: dict[str, Any]
) -> None:
    import_id = send(teacher, CLASS, **params).json()["id"]

    for action in ("undo", "resume"):
        answer = teacher.post(f"/imports/{import_id}/{action}")

        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/nothing-to-do")
    assert stored(database)["students"] == []


def test_an_unknown_import_cannot_be_undone(teacher: TestClient) -> None:
    for import_id in ("6921c0ffee6921c0ffee6921", "x"):
        for path in ("/undo", "/resume"):
            assert teacher.post(f"/imports/{import_id}{path}").status_code == 404
        assert teacher.get(f"/imports/{import_id}").status_code == 404
        assert teacher.get(f"/imports/{import_id}/errors.csv").status_code == 404


def test_erased_students_stay_erased(client: TestClient, settings: Settings, database: Database[JSON]) -> None:
    admin = make(client, settings, "principal", Role.ADMIN)
    sign_in(client)
    add(client, "S1", "Before")
    first = imported(client, CLASS)
    for roll_no in ("S1", "S2"):
        assert admin.ask("DELETE", f"/students/{roll_no}?purge=true").status_code == 204

    report = undo_import(client, first["id"])

    assert (report["restored"], report["kept"], report["kept_count"]) == (1, [], 2)
    assert students(client) == {}
    assert [one["roll_no"] for one in stored(database)["students"]] == ["S3"]
    assert {one["roll_no"] for one in stored(database)["student_history"]} == {"S3"}


def test_the_history_names_the_user_who_undid_the_import(client: TestClient, settings: Settings) -> None:
    colleague = make(client, settings, "colleague", Role.TEACHER)
    sign_in(client)
    first = imported(client, CLASS)

    assert colleague.ask("POST", f"/imports/{first['id']}/undo").status_code == 200

    newest, oldest = client.get("/students/S1/history").json()
    assert (newest["by"], newest["source"]) == ("colleague", f"undo of import {first['id']}")
    assert (oldest["by"], oldest["source"]) == ("alice", f"import {first['id']}")
    assert client.get(f"/imports/{first['id']}").json()["by"] == "alice"


def test_viewers_cannot_undo(client: TestClient, settings: Settings) -> None:
    viewer = make(client, settings, "viewer", Role.VIEWER)
    sign_in(client)
    first = imported(client, CLASS)

    for path in ("undo", "resume"):
        assert viewer.ask("POST", f"/imports/{first['id']}/{path}").status_code == 403
    assert len(students(client)) == 3
