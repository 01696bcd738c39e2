"""Records that belong to students: `tests/students/attendance.py` is the module of these tests."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from beanie import Document, Link
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import BaseModel, Field, create_model
from pymongo.database import Database

from core import references
from core.database import Window
from core.errors import StartupError
from core.identity import Role
from core.module import Module
from core.references import Reference
from core.settings import Settings
from modules.students import STUDENTS, StudentCopy
from modules.students.erasure import service as erasure
from tests.auth.people import Person, make
from tests.conftest import AppClient, sign_in
from tests.kit import deliver, deliver_changes, without_jobs
from tests.processes import ROOT
from tests.queries import plans, steps
from tests.students import attendance
from tests.students.attendance import OF_STUDENTS, Attendance, module
from tests.students.follower import paused
from tests.transfers.helpers import database_of

JSON = dict[str, Any]
MODULES = (*without_jobs(), module)
PAGE = (ROOT / "docs" / "adding-a-module.md").read_text(encoding="utf-8")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database[JSON]]:
    with database_of(settings) as database:
        yield database


@pytest.fixture
def client(open_client: AppClient) -> TestClient:
    """Return a client of the service with the module, whose changes are delivered only by `deliver`."""
    return sign_in(open_client(modules=MODULES))


@pytest.fixture
def admin(client: TestClient, settings: Settings) -> Person:
    return make(client, settings, "principal", Role.ADMIN)


def create(client: TestClient, *roll_nos: str, branch: str = "Art") -> None:
    for roll_no in roll_nos:
        body = {"roll_no": roll_no, "name": "n", "branch": branch}
        assert client.post("/students", json=body).status_code == 201


def attend(client: TestClient, roll_no: str, day: str = "2026-11-23") -> Response:
    return client.post("/attendance", json={"roll_no": roll_no, "day": day})


def listed(client: TestClient, query: str = "") -> list[str]:
    """Return the roll numbers of all pages of the list, having checked that all but the last page are full."""
    answer = client.get(f"/attendance?limit=2{query}")
    found = [answer.json()]
    while "next" in answer.links:
        answer = client.get(answer.links["next"]["url"])
        found.append(answer.json())
    assert all(len(page) == 2 for page in found[:-1])
    assert found == [[]] or found[-1], "the last page is empty"
    return [record["roll_no"] for page in found for record in page]


def test_a_record_of_a_student_who_does_not_exist_is_refused(client: TestClient) -> None:
    create(client, "S1")
    client.delete("/students/S1")

    for roll_no in ("S1", "S404"):
        refused = attend(client, roll_no)
        assert (refused.status_code, refused.json()["errors"]) == (
            422,
            [{"code": "unknown_reference", "detail": f"There is no student {roll_no}.", "pointer": "#/roll_no"}],
        )
        missing = client.get(f"/students/{roll_no}/attendance")
        assert (missing.status_code, missing.json()["type"]) == (404, "/problems/student-not-found")


def test_records_are_listed_by_their_owner(client: TestClient) -> None:
    create(client, "S1", "S2")
    for roll_no, day in (("S1", "2026-11-24"), ("S2", "2026-11-23"), ("S1", "2026-11-23")):
        assert attend(client, roll_no, day).status_code == 201

    assert [record["day"] for record in client.get("/students/S1/attendance").json()] == ["2026-11-23", "2026-11-24"]
    client.post("/students/S1/rename", json={"roll_no": "S9"})
    assert len(client.get("/students/S9/attendance").json()) == 2, "found by the stable key, also before the delivery"


def test_pages_are_full_although_owners_are_hidden(client: TestClient) -> None:
    create(client, *(f"S{number}" for number in range(7)))
    for number in range(7):
        attend(client, f"S{number}")
    for number in (0, 1, 2, 4):
        client.delete(f"/students/S{number}")
    deliver(client)

    assert listed(client) == ["S3", "S5", "S6"]
    client.post("/students/S4/restore")
    deliver(client)
    assert listed(client) == ["S3", "S4", "S5", "S6"]


def test_order_and_filter_follow_the_owner(client: TestClient) -> None:
    create(client, "S1", "S2", "S3")
    for roll_no in ("S1", "S2", "S3"):
        attend(client, roll_no)
    deliver(client)

    client.post("/students/S1/rename", json={"roll_no": "S9"})
    client.patch("/students/S3", json={"branch": "Physics"})
    deliver(client)

    assert listed(client) == ["S2", "S3", "S9"]
    assert listed(client, "&branch=Art") == ["S2", "S9"]
    assert listed(client, "&branch=Physics") == ["S3"]


def test_a_change_of_other_fields_writes_no_record(client: TestClient, database: Database[JSON]) -> None:
    create(client, "S1")
    attend(client, "S1")

    client.put("/students/S1/marks/math", json={"mark": 1})
    deliver(client)

    assert [record["student"]["version"] for record in database["attendance"].find()] == [1]


def test_an_older_copy_does_not_replace_a_newer_one(client: TestClient) -> None:
    create(client, "S1")
    attend(client, "S1")
    assert client.portal
    old = client.portal.call(OF_STUDENTS.owner, "S1")
    client.post("/students/S1/rename", json={"roll_no": "S2"})
    deliver(client)

    client.portal.call(OF_STUDENTS._refresh, [old])

    assert listed(client) == ["S2"]


def test_records_of_an_erased_student_are_gone(client: TestClient, admin: Person, database: Database[JSON]) -> None:
    create(client, "S1", "S2")
    attend(client, "S1")
    attend(client, "S2")

    assert admin.ask("DELETE", "/students/S1?purge=true").status_code == 204

    assert [record["student"]["roll_no"] for record in database["attendance"].find()] == ["S2"]


def test_a_record_that_is_inserted_after_the_erasure_is_refused(
    client: TestClient, admin: Person, database: Database[JSON]
) -> None:
    create(client, "S1")

    with paused(client, Attendance, "insert", lambda: attend(client, "S1")) as finish:
        assert admin.ask("DELETE", "/students/S1?purge=true").status_code == 204
        refused = finish()

    errors = [(one["code"], one["pointer"]) for one in refused.json()["errors"]]
    assert (refused.status_code, errors) == (422, [("unknown_reference", "#/roll_no")])
    assert database["attendance"].count_documents({}) == 0


def test_a_record_that_a_dying_process_has_left_after_the_erasure_is_deleted_later(
    client: TestClient, admin: Person, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1", "S2")
    attend(client, "S2")

    with paused(client, Attendance, "insert", lambda: attend(client, "S1")) as finish:
        assert admin.ask("DELETE", "/students/S1?purge=true").status_code == 204
        monkeypatch.setattr(Reference, "confirm", None)
        assert finish().status_code == 500
    assert database["attendance"].count_documents({}) == 2

    assert client.portal
    client.portal.call(erasure.sweep)

    assert [record["student"]["roll_no"] for record in database["attendance"].find()] == ["S2"]


def test_a_record_that_is_inserted_after_a_change_was_delivered_has_the_new_values(client: TestClient) -> None:
    create(client, "S1")

    with paused(client, Attendance, "insert", lambda: attend(client, "S1")) as finish:
        client.post("/students/S1/rename", json={"roll_no": "S2"})
        deliver(client)
        assert finish().status_code == 201

    assert listed(client) == ["S2"]


@pytest.fixture
def left_old(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave an old copy of the student S1, who is now called S2: the process has died before `confirm`."""
    create(client, "S1")
    with paused(client, Attendance, "insert", lambda: attend(client, "S1")) as finish, monkeypatch.context() as patch:
        client.post("/students/S1/rename", json={"roll_no": "S2"})
        deliver(client)
        patch.setattr(Reference, "confirm", None)
        assert finish().status_code == 500
    deliver(client)
    assert listed(client) == ["S1"]


@pytest.mark.usefixtures("left_old")
@pytest.mark.parametrize(("day", "status"), [("2026-11-23", 500), ("2026-11-24", 201)])  # 500: a duplicate
def test_the_next_insertion_updates_a_copy_that_a_dying_process_has_left_old(
    client: TestClient, day: str, status: int
) -> None:
    assert attend(client, "S2", day).status_code == status

    assert set(listed(client)) == {"S2"}


@pytest.mark.usefixtures("left_old")
def test_a_copy_that_a_dying_process_has_left_old_is_updated_later(client: TestClient) -> None:
    client.portal.call(erasure.sweep)  # type: ignore[union-attr]

    assert listed(client) == ["S2"]


def test_a_record_that_a_dying_process_has_left_of_a_deleted_student_is_hidden_later(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1")
    with paused(client, Attendance, "insert", lambda: attend(client, "S1")) as finish:
        client.delete("/students/S1")
        deliver(client)
        monkeypatch.setattr(Reference, "confirm", None)
        assert finish().status_code == 500
    assert listed(client) == ["S1"]

    client.portal.call(erasure.sweep)  # type: ignore[union-attr]

    assert listed(client) == []


def data_check(client: TestClient) -> list[str]:
    async def check() -> list[str]:
        return [finding async for finding in OF_STUDENTS.data_check()]

    assert client.portal
    found: list[str] = client.portal.call(check)
    return found


@pytest.mark.usefixtures("left_old")
def test_old_copies_are_found_by_the_check_of_the_data(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "SETTLE_SECONDS", 0.0)
    create(client, "S3")
    attend(client, "S3")
    client.put("/students/S3/marks/math", json={"mark": 1})
    deliver(client)

    (finding,) = data_check(client)

    assert finding.startswith("The collection attendance has records with an old copy of the student ")


def test_a_copy_whose_change_is_about_to_be_delivered_is_not_reported(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1")
    attend(client, "S1")
    client.post("/students/S1/rename", json={"roll_no": "S2"})

    async def deliver_meanwhile(_: float) -> None:
        await deliver_changes()

    monkeypatch.setattr(references, "sleep", deliver_meanwhile)
    assert data_check(client) == []


def test_records_without_an_owner_are_found_by_the_check_of_the_data(
    client: TestClient, settings: Settings, database: Database[JSON]
) -> None:
    create(client, "S1", "S2")
    attend(client, "S1")
    attend(client, "S2")
    student = database["students"].find_one({"roll_no": "S1"})
    assert student
    database["students"].delete_one({"_id": student["_id"]})

    (finding,) = data_check(client)

    assert finding == f"The collection attendance has records of a student that does not exist: {student['_id']}."


@pytest.mark.parametrize(
    "condition", [OF_STUDENTS.where(), OF_STUDENTS.where(branch="Art"), OF_STUDENTS.where(branch={"$in": ["Art"]})]
)
def test_lists_use_an_index_and_sort_nothing(client: TestClient, database: Database[JSON], condition: JSON) -> None:
    create(client, "S1")
    attend(client, "S1")
    record = database["attendance"].find_one()
    assert record
    for window in (
        Window(STUDENTS.order("roll_no"), 2),
        Window(STUDENTS.order("roll_no"), 2, ("S1", record["_id"])),
        Window(STUDENTS.order("roll_no", descending=True), 2, ("S1", record["_id"]), backwards=True),
    ):
        found = database["attendance"].find({"$and": [condition, window.filter]}).sort(window.sort)
        stages = dict(steps(list(plans(found.explain()))))
        assert "COLLSCAN" not in stages
        assert "SORT" not in stages


class Unindexed(Document):
    student: StudentCopy

    class Settings:
        name = "unindexed"


class Unrelated(Document):
    class Settings:
        name = "unrelated"


def test_the_documentation_shows_this_module() -> None:
    section = PAGE.partition("\n## Records that belong to another module's\n")[2].partition("\n## ")[0]
    source = Path(attendance.__file__).read_text(encoding="utf-8")
    pieces = [
        piece for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL) for piece in block.split("\n\n")
    ]

    assert len(pieces) > 4
    assert [piece for piece in pieces if piece.strip() not in source] == []


def test_a_copy_of_a_student_without_a_reference_is_refused() -> None:
    named = r"\.py, line \d+: no reference keeps the copy student of Attendance up to date\. Add references="
    with pytest.raises(StartupError, match=named):
        Module(name="wrong", documents=(Attendance,))


class Member(BaseModel):
    captain: bool = False
    student: StudentCopy
    next: "Member | None" = None


class Pair(NamedTuple):
    one: StudentCopy
    other: StudentCopy


@pytest.mark.parametrize(
    "kind",
    [
        StudentCopy | None,
        list[StudentCopy],
        list[StudentCopy] | None,
        dict[str, list[StudentCopy]],
        Member,
        list[Member],
        Annotated[list[Annotated[Member, "metadata"]], Field(max_length=3)],
        Pair,
        tuple[str, StudentCopy],
    ],
)
@pytest.mark.parametrize("field", ["student", "members"])
def test_a_copy_of_a_student_inside_of_another_type_is_refused(field: str, kind: Any) -> None:
    """A change of one student would replace the whole list by the one copy."""
    fields: Any = {"student": (StudentCopy, ...), field: (kind, ...)}
    model = create_model("Team", __base__=Document, **fields)
    named = rf"the field {field} of Team has a StudentCopy inside of another type.*`student: StudentCopy`"
    with pytest.raises(StartupError, match=named):
        Module(name="wrong", documents=(model,), references=(Reference(model, STUDENTS),))


class Linked(Document):
    record: Link[Attendance]

    class Settings:
        name = "linked"


def test_a_link_to_a_record_with_a_copy_is_no_copy() -> None:
    assert Module(name="right", documents=(Linked,))


class NoCopy(Document):
    student: str

    class Settings:
        name = "no_copies"


@pytest.mark.parametrize(
    ("documents", "document", "named"),
    [
        ((), Attendance, "add Attendance to documents"),
        ((Unindexed,), Unindexed, "Unindexed has no index that begins with student.id"),
        ((Unrelated,), Unrelated, "Unrelated has a Reference but no field student"),
        ((NoCopy,), NoCopy, "NoCopy has a Reference, but its field student is no copy of an owner"),
    ],
)
def test_an_incomplete_declaration_is_refused(
    documents: tuple[type[Document], ...], document: type[Document], named: str
) -> None:
    with pytest.raises(StartupError, match=named):
        Module(name="wrong", documents=documents, references=(Reference(document, STUDENTS),))
