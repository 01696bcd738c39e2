"""Renaming subjects and merging them, for all students, and undoing it."""

import asyncio
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from core.database import collection
from core.settings import Settings
from modules.students import Selection, StudentReader, service
from modules.students.models import Action, StudentDocument, StudentSnapshot
from modules.students.records import merge_log
from modules.students.records.bulk import StudentBulkStore
from modules.students.records.store import Writer
from modules.students.records.write_batch import Outcome, Write, write_all
from modules.students.schemas import StudentCreate, StudentPatch, StudentReplace
from modules.students.subject_catalog import catalog
from modules.students.subject_catalog.catalog import SubjectCatalog
from modules.students.subject_catalog.mark_matching import register
from modules.students.subject_catalog.models import Subject, SubjectOperation
from modules.students.subjects import operation_job, operations, unused
from modules.students.subjects.operation_job import carry_out_subject_operations, rename_late_marks
from modules.transfers.downloads.csv_file import CsvStyle
from modules.transfers.exports import service as exports
from tests.auth.people import as_teacher
from tests.conftest import AppClient
from tests.kit import people, stored, without_jobs
from tests.students.test_subjects import create, errors, put


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_AGE_SECONDS", 0.01)


@pytest.fixture
def client(open_client: AppClient, settings: Settings) -> TestClient:
    """Return a client of a teacher, of an app that does nothing in the background."""
    return as_teacher(open_client(modules=without_jobs()), settings)


def begin(client: TestClient, subject: str, what: str, **body: Any) -> str:
    answer = client.post(f"/subjects/{subject}/{what}", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/subject-operations/{answer.json()['operation_id']}"
    return answer.headers["location"]


def work(client: TestClient) -> None:
    assert client.portal
    client.portal.call(carry_out_subject_operations)


def undo(client: TestClient, operation: str) -> Response:
    answer = client.post(f"{operation}/undo")
    work(client)
    return answer


def marks(client: TestClient) -> dict[str, dict[str, float]]:
    return {one["roll_no"]: one["marks"] for one in client.get("/students").json()}


def names(client: TestClient) -> list[str]:
    return [one["name"] for one in client.get("/subjects").json()]


def told(client: TestClient, operation: str, *fields: str) -> list[Any]:
    found = client.get(operation).json()
    return [found[field] for field in fields]


def store_late(client: TestClient, roll_no: str, **marks: float) -> None:
    """Store marks as a process does that does not know of an operation yet."""
    assert client.portal
    late = {"$set": {f"marks.{subject}": mark for subject, mark in marks.items()}}
    client.portal.call(collection(StudentDocument).update_one, {"roll_no": roll_no}, late)


@pytest.mark.parametrize("to", ["mathematics", "MATH"])
def test_a_subject_is_renamed_for_all_students_and_back(client: TestClient, to: str) -> None:
    put(client, "math", aliases=["maths"], title="Mathematics", max=50)
    create(client, "S1", math=1, art=2)
    create(client, "S2", art=3)
    create(client, "S3", math=4)
    client.delete("/students/S3")

    operation = begin(client, "Maths", "rename", to=to)
    during = client.patch("/students/S1", json={"marks": {"art": 5}})
    busy = put(client, "math")
    work(client)

    assert during.json()["marks"] == {to: 1, "art": 5}, "a write does not wait for the job"
    assert busy.json()["type"] == "/problems/subject-busy"
    assert marks(client) == {"S1": {to: 1, "art": 5}, "S2": {"art": 3}}
    assert client.post("/students/S3/restore").json()["marks"] == {to: 4}
    assert client.post("/students/S1/restore?version=1").json()["marks"] == {to: 1, "art": 2}
    assert client.get("/subjects/math").json()["name"] == to
    assert errors(client.put("/students/S1/marks/maths", json={"mark": 51})) == [("mark_range", "#/mark")]
    assert told(client, operation, "kind", "state", "subject", "target", "by") == [
        "rename",
        "done",
        "math",
        to,
        "alice",
    ]

    assert undo(client, operation).status_code == 202
    assert told(client, operation, "state", "undone_by") == ["undone", "alice"]
    assert marks(client) == {"S1": {"math": 1, "art": 2}, "S2": {"art": 3}, "S3": {"math": 4}}
    assert client.get(f"/subjects/{to}").json()["name"] == "math"
    assert undo(client, operation).json()["type"] == "/problems/operation-not-undoable"


def test_each_student_gets_a_version_that_names_the_operation(client: TestClient) -> None:
    create(client, "S1", math=1)
    create(client, "S2", art=1)

    operation = begin(client, "math", "rename", to="maths")
    work(client)

    history = client.get("/students/S1/history").json()
    assert history[0]["source"] == f"subject rename {operation.rpartition('/')[2]}"
    assert [(one["field"], one["from"], one["to"]) for one in history[0]["changes"]] == [
        ("marks.math", 1, None), ("marks.maths", None, 1),
    ]  # fmt: skip
    assert len(client.get("/students/S2/history").json()) == 1
    assert told(client, operation, "total", "changed") == [1, 1]


@pytest.mark.parametrize(("rule", "kept"), [("into", 5), ("from", 7), ("highest", 7), ("lowest", 5)])
def test_a_subject_is_merged_and_the_caller_chooses_between_two_marks(
    client: TestClient, rule: str, kept: float
) -> None:
    put(client, "math")
    put(client, "Rechnen", aliases=["Mathe"])
    create(client, "S1", Rechnen=7, math=5)
    create(client, "S2", Rechnen=8)
    create(client, "S3", math=9)

    refused = client.post("/subjects/Rechnen/merge", json={"into": "math"})
    operation = begin(client, "mathe", "merge", into="MATH", on_conflict=rule)
    work(client)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/marks-in-both")
    assert "1." in refused.json()["detail"]
    assert marks(client) == {"S1": {"math": kept}, "S2": {"math": 8}, "S3": {"math": 9}}
    assert names(client) == ["math"]
    assert client.get("/subjects/mathe").json()["aliases"] == ["Rechnen", "Mathe"]
    assert told(client, operation, "state", "total", "changed", "conflicts", "students") == [
        "done", 2, 2, 1, [{"roll_no": "S1", "into": 5, "from": 7, "kept": kept}],
    ]  # fmt: skip
    assert client.post("/students/S1/restore?version=1").json()["marks"] == {"math": kept}


def test_a_merge_is_undone_for_students_who_have_not_been_changed_since(client: TestClient) -> None:
    put(client, "Rechnen", title="Arithmetic", aliases=["Mathe"])
    create(client, "S1", Rechnen=7, math=5)
    create(client, "S2", Rechnen=8)
    create(client, "S3", Rechnen=9)
    create(client, "S4", math=1)
    operation = begin(client, "Rechnen", "merge", into="math", on_conflict="into")
    work(client)
    client.patch("/students/S2", json={"name": "Zoe"})
    client.delete("/students/S3?purge=true")

    answer = undo(client, operation)

    assert answer.status_code == 202
    assert marks(client) == {
        "S1": {"Rechnen": 7, "math": 5},
        "S2": {"math": 8},
        "S3": {"Rechnen": 9},
        "S4": {"math": 1},
    }
    assert told(client, operation, "state", "restored", "kept") == ["undone", 2, 1]
    assert client.get("/subjects/mathe").json()["title"] == "Arithmetic"
    assert client.get("/subjects/math").json()["aliases"] == []
    again = begin(client, "Rechnen", "merge", into="math", on_conflict="from")
    work(client)
    assert told(client, again, "changed") == [2]


def test_spellings_of_older_versions_are_merged_into_one_subject(client: TestClient) -> None:
    assert client.portal
    for name, key in (("math", "math"), ("Math", ".Math")):
        new = Subject(name=name, spellings=[key])
        client.portal.call(new.insert)
    catalog.invalidate()
    create(client, "S1", math=1, Math=2)

    work_on = begin(client, "math", "merge", into="Math", on_conflict="highest")
    work(client)

    assert marks(client) == {"S1": {"Math": 2}}
    assert client.patch("/students/S1", json={"marks": {"math": 3}}).json()["stored_as"] == {"math": "Math"}
    put(client, "Math", title="Mathematics")
    assert client.get("/subjects/MATH").json()["name"] == "Math"
    assert told(client, work_on, "conflicts") == [1]


def test_an_interrupted_operation_is_finished_by_another_process(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operation_job, "BATCH", 2)
    for number in range(5):
        create(client, f"S{number}", math=number, **({"maths": 50} if number == 3 else {}))
    write_all, batches = StudentBulkStore.write_all, 0

    async def dies(writes: Any, **options: Any) -> list[bool]:
        nonlocal batches
        batches += 1
        made = await write_all(writes, **options)
        if batches in (1, 3):
            raise OSError("the process dies after a batch is written")
        return made

    operation = begin(client, "math", "merge", into="maths", on_conflict="lowest")
    monkeypatch.setattr(StudentBulkStore, "write_all", staticmethod(dies))
    for _ in range(2):
        with pytest.raises(OSError, match="dies"):
            work(client)
        assert told(client, operation, "state") == ["running"]
    work(client)

    assert marks(client) == {f"S{number}": {"maths": number} for number in range(5)}
    assert told(client, operation, "state", "students") == [
        "done", [{"roll_no": "S3", "into": 50, "from": 3, "kept": 3}],
    ]  # fmt: skip
    batches = 0
    client.post(f"{operation}/undo")
    with pytest.raises(OSError, match="dies"):
        work(client)
    batches = 10
    work(client)
    assert told(client, operation, "state", "restored", "kept") == ["undone", 5, 0]
    assert marks(client)["S3"] == {"math": 3, "maths": 50}


def test_what_cannot_be_renamed_or_merged_is_refused(client: TestClient) -> None:
    create(client, "S1", math=60, art=5)
    put(client, "quiz", max=10, aliases=["test"])

    def refused(subject: str, what: str, **body: Any) -> tuple[int, str]:
        answer = client.post(f"/subjects/{subject}/{what}", json=body)
        return answer.status_code, answer.json()["type"].removeprefix("/problems/")

    assert refused("pe", "rename", to="sport") == (404, "subject-not-found")
    assert refused("math", "rename", to="Test") == (409, "subject-name-taken")
    assert refused("math", "rename", to="math") == (409, "same-subject")
    assert refused("math", "merge", into="MATH") == (409, "same-subject")
    assert refused("math", "merge", into="pe") == (404, "subject-not-found")
    assert refused("math", "merge", into="quiz") == (409, "maxima-differ")
    put(client, "lab", max=10)
    create(client, "S2", lab=8)
    assert refused("lab", "merge", into="math") == (409, "maxima-differ")
    assert client.get("/subject-operations").json() == []
    operation = begin(client, "art", "rename", to="drawing")
    assert refused("math", "merge", into="art") == (409, "subject-busy")
    work(client)
    begin(client, "drawing", "rename", to="painting")
    work(client)
    assert client.post(f"{operation}/undo").json()["detail"] == "The subject drawing has been changed since."
    assert [one["target"] for one in client.get("/subject-operations").json()] == ["painting", "drawing"]
    for method, path in (("GET", operation), ("POST", f"{operation}/undo"), ("POST", "/subjects/math/rename")):
        assert people.viewer(client, f"v{len(path)}").ask(method, path, {"to": "x"}).status_code == 403
    assert client.get("/subject-operations/abc").status_code == 404


def test_an_erasure_removes_a_student_from_the_log_of_a_merge(client: TestClient) -> None:
    create(client, "S1", math=1, maths=2)
    create(client, "S2", maths=3)
    operation = begin(client, "math", "merge", into="maths", on_conflict="from")
    work(client)
    admin = people.admin(client)

    assert len(stored("subject_merged_students")) == 1
    assert admin.ask("DELETE", "/students/S1?purge=true").status_code == 204
    assert stored("subject_merged_students") == []
    assert undo(client, operation).status_code == 202
    assert told(client, operation, "students") == [[]]


@pytest.mark.parametrize("what", [{"to": "maths"}, {"into": "maths", "on_conflict": "highest"}])
def test_an_operation_that_is_still_running_can_be_undone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, what: dict[str, Any]
) -> None:
    monkeypatch.setattr(operation_job, "BATCH", 1)
    create(client, "S1", math=1)
    create(client, "S2", math=2)
    if "into" in what:
        put(client, "maths")
    write_all = StudentBulkStore.write_all

    async def somebody_undoes(writes: Any) -> list[bool]:
        monkeypatch.setattr(StudentBulkStore, "write_all", staticmethod(write_all))
        await operations.undo(operation.rpartition("/")[2], "alice")
        return await write_all(writes)

    operation = begin(client, "math", "rename" if "to" in what else "merge", **what)
    monkeypatch.setattr(StudentBulkStore, "write_all", staticmethod(somebody_undoes))
    work(client)
    assert told(client, operation, "state") == ["undoing"]
    work(client)

    assert told(client, operation, "state") == ["undone"]
    assert marks(client) == {"S1": {"math": 1}, "S2": {"math": 2}}


def test_nobody_takes_a_name_while_a_subject_is_renamed(client: TestClient) -> None:
    create(client, "S1", art=50)
    operation = begin(client, "art", "rename", to="fine art")

    taken = put(client, "music", aliases=["art"])
    work(client)

    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/subject-name-taken")
    assert told(client, operation, "state") == ["done"]
    assert marks(client) == {"S1": {"fine art": 50}}


@pytest.mark.parametrize(("late", "detail"), [({"b": 5, "a": 9}, "in a and in b: 1"), ({"a": 90}, "than 10 in a: 1")])
def test_a_merge_is_taken_back_for_marks_of_a_process_that_did_not_know_of_it(
    client: TestClient, late: dict[str, float], detail: str
) -> None:
    put(client, "a", max=10)
    put(client, "b", max=10)
    create(client, "S1", a=1)
    create(client, "S2")
    create(client, "S3", a=4)
    create(client, "S4", a=5)
    operation = begin(client, "a", "merge", into="b")
    assert client.patch("/students/S3", json={"name": "Zoe"}).json()["marks"] == {"b": 4}
    assert client.patch("/students/S4", json={"marks": {"b": 7}}).json()["marks"] == {"b": 7}
    assert client.portal
    client.portal.call(collection(StudentDocument).update_one, {"roll_no": "S2"}, {"$set": {"marks": late}})

    work(client)

    (state, why) = told(client, operation, "state", "detail")
    assert (state, detail in why) == ("failed", True), why
    assert marks(client) == {"S1": {"a": 1}, "S2": late, "S3": {"a": 4}, "S4": {"a": 5, "b": 7}}
    assert client.get("/subjects/a").json()["name"] == "a"


def test_a_write_that_was_validated_before_a_renaming_is_stored_under_the_new_name(client: TestClient) -> None:
    create(client, "S1", al=40)
    begin(client, "al", "rename", to="be")
    work(client)
    create(client, "S2", al=30)
    assert client.portal

    writer = Writer("alice")
    client.portal.call(service.patch, "S1", StudentPatch(marks={"al": 90}), writer)
    client.portal.call(service.replace, "S2", StudentReplace(name="A", branch="B", marks={"al": 7}), writer)
    made = StudentCreate(roll_no="S3", name="A", branch="B", marks={"al": 8})
    client.portal.call(service.create, made, writer)
    stale = [Write(None, StudentSnapshot.new("alice", roll_no="S4", name="A", branch="B", marks={"al": 9}))]
    outcomes = client.portal.call(write_all, stale)

    assert marks(client) == {"S1": {"be": 90}, "S2": {"be": 7}, "S3": {"be": 8}}
    assert outcomes == [Outcome.CONFLICT], "whoever wrote it reads the subjects again"


def test_a_mark_that_arrives_after_a_renaming_is_found(client: TestClient) -> None:
    create(client, "S1", al=40)
    create(client, "S2", al=50)
    operation = begin(client, "al", "rename", to="be")
    work(client)
    store_late(client, "S1", al=90)

    assert client.portal
    client.portal.call(rename_late_marks)

    assert marks(client) == {"S1": {"be": 90}, "S2": {"be": 50}}
    assert told(client, operation, "state", "changed") == ["done", 3]


def test_a_merge_is_not_undone_while_another_subject_has_one_of_the_names(client: TestClient) -> None:
    put(client, "physics", aliases=["phy"], title="Physics")
    put(client, "science")
    create(client, "S1", physics=5)
    operation = begin(client, "physics", "merge", into="science")
    work(client)
    put(client, "science", aliases=["physics"])
    assert put(client, "chemistry", aliases=["phy"]).status_code == 201

    refused = undo(client, operation)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/subject-name-taken")
    assert told(client, operation, "state") == ["done"]
    assert marks(client) == {"S1": {"science": 5}}
    put(client, "chemistry")
    assert undo(client, operation).status_code == 202
    assert client.get("/subjects/phy").json()["title"] == "Physics"


def test_a_merge_is_withdrawn_if_another_subject_takes_a_name_at_that_moment(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(client, "physics", aliases=["phy", "Physik"], title="Physics", max=20)
    put(client, "science", max=20)
    create(client, "S1", physics=5, science=1)
    change = Subject.change

    async def change_late(self: Subject, changes: dict[str, Any]) -> Subject | None:
        monkeypatch.setattr(Subject, "change", change)
        await Subject(name="chemistry", spellings=["chemistry", "phy"], aliases=["phy"], declared=True).insert()
        await register(["Physik"])  # by a process that has read the subjects at that moment
        return await change(self, changes)

    monkeypatch.setattr(Subject, "change", change_late)
    refused = client.post("/subjects/physics/merge", json={"into": "science", "on_conflict": "into"})

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/subject-name-taken")
    assert "physics" in refused.json()["detail"]
    assert client.get("/subject-operations").json() == []
    kept = client.get("/subjects/physik").json()
    assert (kept["name"], kept["title"], kept["max"], kept["aliases"]) == ("physics", "Physics", 20, ["Physik"])
    assert client.get("/subjects/phy").json()["name"] == "chemistry"
    assert marks(client) == {"S1": {"physics": 5, "science": 1}}


def test_the_undo_of_a_merge_brings_no_mark_above_todays_maximum(client: TestClient) -> None:
    create(client, "S1", arithmetic=50, math=90)
    create(client, "S2", arithmetic=50, math=55)
    operation = begin(client, "arithmetic", "merge", into="math", on_conflict="lowest")
    work(client)
    assert put(client, "math", max=60).status_code == 200

    undo(client, operation)

    assert marks(client) == {"S1": {"math": 50}, "S2": {"arithmetic": 50, "math": 55}}
    assert told(client, operation, "state", "restored", "kept") == ["undone", 1, 1]


def test_the_rule_of_a_merge_holds_for_earlier_names(client: TestClient) -> None:
    create(client, "S1", aa=90, cc=50)
    create(client, "S2", dd=90, cc=50)
    create(client, "S3", bb=1)
    for subject, what, body in (
        ("aa", "merge", {"into": "bb", "on_conflict": "highest"}),
        ("bb", "merge", {"into": "cc", "on_conflict": "highest"}),
        ("dd", "rename", {"to": "dd2"}),
        ("dd2", "merge", {"into": "cc", "on_conflict": "highest"}),
    ):
        begin(client, subject, what, **body)
        work(client)

    for roll_no in ("S1", "S2"):
        client.patch(f"/students/{roll_no}", json={"marks": {"cc": 1}})
        assert client.post(f"/students/{roll_no}/restore?version=1").json()["marks"] == {"cc": 90}


def test_two_marks_that_are_in_one_subject_now_are_not_restored(client: TestClient) -> None:
    create(client, "S1", craft=50, physx=5)
    client.patch("/students/S1", json={"marks": {"craft": None}})
    assert put(client, "physx", aliases=["craft"]).status_code == 200

    refused = client.post("/students/S1/restore?version=1")

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/earlier-marks-do-not-fit")
    assert "in craft and in physx" in refused.json()["detail"] or "in physx and in craft" in refused.json()["detail"]


def test_an_operation_that_the_job_has_started_is_not_withdrawn(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1", art=1)
    stored_at_once, portal = SubjectOperation.insert, client.portal
    assert portal

    async def insert_and_carry_out(operation: SubjectOperation) -> None:
        await stored_at_once(operation)
        await Subject.find_one({"name": "art"}).update({"$inc": {"version": 1}})
        await carry_out_subject_operations()

    monkeypatch.setattr(SubjectOperation, "insert", insert_and_carry_out)
    operation = begin(client, "art", "rename", to="drawing")

    assert told(client, operation, "state") == ["done"]
    assert marks(client) == {"S1": {"drawing": 1}}


def test_figures_filters_and_exports_know_marks_under_the_earlier_name(client: TestClient) -> None:
    put(client, "quiz", max=10)
    create(client, "S1", quiz=8, math=60)
    create(client, "S2", math=50)
    card, statistics = client.get("/report-cards/S1").json(), client.get("/statistics?subject=quiz").json()
    operation = begin(client, "quiz", "rename", to="test")

    for _ in range(2):
        renamed = client.get("/report-cards/S1").json()
        assert [one["subject"] for one in renamed["subjects"]] == ["math", "test"]
        assert sorted(one["grade"] for one in renamed["subjects"]) == sorted(one["grade"] for one in card["subjects"])
        assert renamed["average"] == card["average"] | {"subjects": ["math", "test"]}
        assert renamed["total"] == card["total"] | {"subjects": ["math", "test"]}
        found = client.get("/statistics?subject=test").json()
        assert found["subjects"] == [statistics["subjects"][0] | {"subject": "test"}]
        assert [one["subject"] for one in client.get("/statistics").json()["subjects"]] == ["math", "test"]
        for query, expected in (
            ("where=marks.quiz>=5", ["S1"]),
            ("where=marks.test>=5", ["S1"]),
            ("where=missing=quiz", ["S2"]),
            ("where=missing=test", ["S2"]),
            ("sort=-marks.test", ["S1", "S2"]),
        ):
            assert [one["roll_no"] for one in client.get(f"/students?{query}").json()] == expected, query
        assert client.get("/exports/students").text.removeprefix("\ufeff").splitlines() == [
            "roll_no,name,branch,math,test", "S1,Asha Rao,Physics,60,8", "S2,Asha Rao,Physics,50,",
        ]  # fmt: skip
        assert {one["name"]: one["students"] for one in client.get("/subjects").json()} == {"math": 2, "test": 1}
        work(client)
    assert told(client, operation, "state") == ["done"]


@pytest.mark.parametrize("on_conflict", ["into", "highest"])
def test_a_student_whom_somebody_changes_during_a_merge_is_in_its_log(client: TestClient, on_conflict: str) -> None:
    create(client, "S1", phys=50, math=80)
    create(client, "S2", phys=40, math=90)
    operation = begin(client, "phys", "merge", into="math", on_conflict=on_conflict)

    changed = client.patch("/students/S1", json={"name": "Zoe"})

    assert changed.json()["marks"] == {"math": 80}
    work(client)
    assert told(client, operation, "changed", "conflicts", "students") == [
        2, 2, [
            {"roll_no": "S1", "into": 80, "from": 50, "kept": 80},
            {"roll_no": "S2", "into": 90, "from": 40, "kept": 90},
        ],
    ]  # fmt: skip
    undo(client, operation)
    assert told(client, operation, "restored", "kept") == [1, 1]
    assert marks(client) == {"S1": {"math": 80}, "S2": {"math": 90, "phys": 40}}


def test_a_mark_under_the_earlier_name_of_a_renamed_subject_was_written_last(client: TestClient) -> None:
    create(client, "S1", art=1)
    begin(client, "art", "rename", to="drawing")
    work(client)
    client.patch("/students/S1", json={"marks": {"drawing": 7}})
    store_late(client, "S1", art=9)

    assert client.patch("/students/S1", json={"name": "Zoe"}).json()["marks"] == {"drawing": 9}


@pytest.mark.parametrize("what", [{"to": "zither 2"}, {"into": "lute"}])
def test_records_that_were_merged_while_a_subject_was_moved_are_separated_again(
    client: TestClient, what: dict[str, str]
) -> None:
    put(client, "lute")
    create(client, "S1", zither=50, oud=7)
    create(client, "S2", zither=50)
    name = begin(client, "zither", "rename" if "to" in what else "merge", **what) and next(iter(what.values()))
    assert client.post("/students/S1/merge", json={"into": "S2"}).status_code == 200
    work(client)

    undone = client.post("/students/S2/merge/undo")

    assert (undone.status_code, undone.json()["marks"]) == (200, {name: 50})
    assert marks(client) == {"S1": {name: 50, "oud": 7}, "S2": {name: 50}}


def test_an_earlier_renaming_takes_no_students_of_a_running_merge(client: TestClient) -> None:
    create(client, "S1", a=1, x=9)
    create(client, "S2", a=2)
    create(client, "S3", a=3, x=8)
    for subject, to in (("a", "b"), ("b", "a")):
        begin(client, subject, "rename", to=to)
        work(client)
    operation = begin(client, "a", "merge", into="x", on_conflict="highest")
    client.patch("/students/S3", json={"name": "Zoe"})

    assert client.portal
    client.portal.call(rename_late_marks)
    work(client)

    assert [one["roll_no"] for one in told(client, operation, "students")[0]] == ["S1", "S3"]
    undo(client, operation)
    assert told(client, operation, "changed", "restored", "kept") == [3, 2, 1]
    assert marks(client) == {"S1": {"a": 1, "x": 9}, "S2": {"a": 2}, "S3": {"x": 8}}


@pytest.mark.parametrize(
    ("rule", "counted"), [("into", (50, 90)), ("from", (10, 50)), ("highest", (50, 90)), ("lowest", (10, 50))]
)
def test_statistics_during_a_merge_follow_its_rule(client: TestClient, rule: str, counted: tuple[float, float]) -> None:
    create(client, "S1", a=10, x=90)
    create(client, "S2", x=50)
    create(client, "S3")
    begin(client, "a", "merge", into="x", on_conflict=rule)

    (found,) = client.get("/statistics").json()["subjects"]

    assert (found["min"], found["max"]) == counted
    ranking = client.get("/rankings?by=x")
    assert len(ranking.json()) + int(ranking.headers["Unranked-Count"]) == 3


def test_an_export_that_began_before_a_renaming_has_all_marks(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        create(client, f"S{number}", art=number)
    read_pages = StudentReader.pages
    monkeypatch.setattr(StudentReader, "pages", lambda reader, fields: read_pages(reader, fields, size=2))

    async def export() -> bytes:
        pieces = await exports.file(Selection(), exports.read(Selection()), "csv", CsvStyle())
        found = [await anext(pieces), await anext(pieces)]
        await operations.rename("art", "drawing", "alice")
        await carry_out_subject_operations()
        return b"".join([*found, *[piece async for piece in pieces]])

    assert client.portal
    lines = client.portal.call(export).decode().removeprefix("\ufeff").splitlines()
    assert lines == ["roll_no,name,branch,art", *(f"S{number},Asha Rao,Physics,{number}" for number in range(4))]
    assert names(client) == ["drawing"]


def test_marks_above_the_maximum_do_not_prevent_other_changes_during_a_renaming(client: TestClient) -> None:
    create(client, "S1", art=10)
    put(client, "art", max=50)
    store_late(client, "S1", art=60)
    begin(client, "art", "rename", to="drawing")

    changed = client.patch("/students/S1", json={"name": "Zoe"})

    assert (changed.status_code, changed.json()["marks"]) == (200, {"drawing": 60})


def test_a_subject_that_only_a_deleted_student_had_before_its_renaming_is_kept(client: TestClient) -> None:
    create(client, "S1", art=10)
    client.delete("/students/S1")
    begin(client, "art", "rename", to="drawing")
    work(client)

    assert client.portal
    client.portal.call(unused.remove_unused, {"drawing"})

    assert client.post("/students/S1/restore").json()["marks"] == {"drawing": 10}


def test_two_writes_of_one_student_during_a_merge_are_logged_once(client: TestClient) -> None:
    create(client, "S1", a=1, x=9)
    operation = begin(client, "a", "merge", into="x", on_conflict="highest")

    async def write_twice() -> None:
        current = StudentSnapshot.of(await collection(StudentDocument).find_one({}))
        move = next(iter((await SubjectCatalog.read()).moving.values()))
        versions = [(current, current.successor(Action.UPDATED, "bob", marks={"x": mark})) for mark in (9, 1)]
        await asyncio.gather(*(merge_log.log_merged([one], [move]) for one in versions))

    assert client.portal
    client.portal.call(write_twice)
    assert len(stored("subject_merged_students")) == 1
    work(client)
    assert told(client, operation, "changed", "conflicts") == [1, 1]
