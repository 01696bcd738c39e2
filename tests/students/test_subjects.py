"""Subjects: declaring them, their maxima, and one subject in several spellings."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from beanie import init_beanie
from fastapi.testclient import TestClient
from httpx2 import Response
from motor.motor_asyncio import AsyncIOMotorClient

from core.database import collection
from core.errors import InvalidRequest
from core.settings import Settings
from modules.students import StudentBulkStore, StudentDocument
from modules.students import service as students
from modules.students.migrations import m0005_subjects
from modules.students.records.store import Writer
from modules.students.schemas import StudentCreate, StudentPatch
from modules.students.subject_catalog import catalog, mark_matching
from modules.students.subject_catalog.mark_matching import register
from modules.students.subject_catalog.models import Subject
from modules.students.subject_catalog.spelling import is_exact, spelling_key
from modules.students.subjects import service, unused
from tests.kit import people, stored
from tests.students import listing
from tests.transfers.helpers import NDJSON, send

NAMED: dict[str, Any] = {"name": "Asha Rao", "branch": "Physics"}


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "MAX_AGE_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ("Math", "math", "case"),
        ("STRASSE", "straße", "full case folding"),
        ("\u00c9ducation", "e\u0301ducation", "composed form, after case folding"),
        ("\u0130", "i\u0307", "a capital with a dot, in Turkish"),
        ("Ελληνικά", "ΕΛΛΗΝΙΚΆ", "Greek"),
        ("ΣΟΦΙΑΣ", "σοφιας", "a final sigma"),
        ("MATEMAT\u0130K", "Matematik", "Turkish capitals"),
        ("Mate\u200cmatik", "Matematik", "a non-joiner"),
        ("Matematik\ufe0f", "Matematik", "a variation selector"),
        ("葛\U000e0100", "葛", "a variation of a Chinese character"),
        ("Mate\u034fmatik", "Matematik", "a grapheme joiner"),
        ("e\u200d\u0301cole", "école", "composed form, after invisible characters"),
        ("\uff2d\uff21\uff34\uff28", "Math", "full width"),
        ("ｺｸｺﾞ", "コクゴ", "half width"),
        ("数学Ⅱ", "数学II", "a Roman numeral"),
        ("น\u0e33", "น\u0e4d\u0e32", "Thai, a vowel of two parts"),
        ("\ufed3\ufef4\ufeb0", "فيز", "Arabic, forms of letters at their places"),
        ("സയ\u0d7bസ\u0d4d", "സയന\u0d4d\u200dസ\u0d4d", "Malayalam, a chillu"),
    ],
)
def test_spellings_of_one_subject_have_one_key(one: str, other: str, rule: str) -> None:
    assert spelling_key(one) == spelling_key(other), rule


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("math", "maths"),
        ("C", "C#"),
        ("कमला", "कम्ला"),
        ("か", "が"),
        ("か", "カ"),
        ("①", "1"),
        ("x²", "x2"),
        ("H₂O", "H2O"),
        ("1½", "11\u20442"),
        ("\u211d", "R"),
        ("㎡", "m2"),
        ("k\u0131l", "kil"),
        ("a\u0307", "a"),
        ("അവ\u0d7b", "അവന\u0d4d"),
        ("അവന\u0d4d\u200d", "അവന\u0d4d"),
    ],
)
def test_other_subjects_have_other_keys(one: str, other: str) -> None:
    assert spelling_key(one) != spelling_key(other)


@pytest.mark.parametrize("subject", ["\uff0emath", "﹒math", "…math", "‥math", "\u2024math"])
def test_the_key_of_a_subject_is_no_exact_key(subject: str) -> None:
    """A subject has no dot, but may have a character that compatibility normalization (NFKC) makes one of."""
    assert not is_exact(spelling_key(subject))


def put(client: TestClient, subject: str, etag: str | None = None, **declared: Any) -> Response:
    return client.put(f"/subjects/{subject}", json=declared, headers={"If-Match": etag} if etag else {})


def create(client: TestClient, roll_no: str = "S1", **marks: float) -> Response:
    body = {"roll_no": roll_no, "name": "Asha Rao", "branch": "Physics", "marks": marks}
    return client.post("/students", json=body)


def errors(answer: Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(error["code"], error["pointer"]) for error in answer.json()["errors"]]


def test_a_subject_is_declared_read_and_replaced(client: TestClient) -> None:
    made = put(client, "art", title="Fine art", order=2, aliases=["Drawing", "drawing", "ART"])
    again = put(client, "ART", made.headers["etag"], max=20)
    stale = put(client, "art", made.headers["etag"])
    read = client.get("/subjects/Art")

    assert (made.status_code, made.headers["location"], made.json()["aliases"]) == (201, "/subjects/art", ["Drawing"])
    assert (again.status_code, again.json()["name"], again.json()["max"]) == (200, "art", 20)
    assert stale.status_code == 412
    assert (read.headers["etag"], read.json()["order"]) == (again.headers["etag"], None)
    assert client.get("/subjects/art", headers={"If-None-Match": read.headers["etag"]}).status_code == 304
    assert [(one["by"], one["what"]) for one in read.json()["changes"]] == [
        ("alice", 'title: "Fine art" → null, max: null → 20, order: 2 → null, aliases: ["Drawing"] → []'),
        ("alice", 'title: null → "Fine art", order: null → 2, aliases: [] → ["Drawing"]'),
    ]
    assert people.viewer(client).ask("PUT", "/subjects/art", {}).status_code == 403
    assert client.get("/subjects/pe").status_code == 404
    assert put(client, "pe", made.headers["etag"]).status_code == 404


def test_what_was_read_of_a_subject_can_be_changed_and_sent_back(client: TestClient) -> None:
    put(client, "art", title="Fine art", max=20, order=2, aliases=["Drawing"], counts_in_total=False)
    create(client, art=1, pe=1)

    for number, subject in enumerate(("art", "Drawing", "pe", "PE")):
        details = client.get(f"/subjects/{subject}")
        (listed,) = [one for one in client.get("/subjects").json() if one["name"] == details.json()["name"]]
        for read in (details.json(), listed):
            sent = client.put(f"/subjects/{subject}", json=read | {"title": f"Title {number}"})
            assert (sent.status_code, sent.json()["title"]) == (200, f"Title {number}"), sent.text
            kept = {**read, "title": f"Title {number}", "declared": True, "updated_at": sent.json()["updated_at"]}
            assert sent.json() == {name: kept[name] for name in sent.json()}
        assert put(client, subject, details.headers["etag"]).status_code == 412


def test_a_body_with_the_name_of_another_subject_is_refused(client: TestClient) -> None:
    put(client, "math", aliases=["maths"])

    for subject in ("math", "art"):
        refused = put(client, subject, name="pe", max=20)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-subject")
        assert refused.json()["errors"][0]["pointer"] == "#/name"
    assert client.get("/subjects/math").json()["max"] is None
    assert client.get("/subjects/art").status_code == 404
    assert [put(client, "Math", name=name, aliases=["maths"]).status_code for name in ("MATHS", None)] == [200, 200]
    assert put(client, "art", name="ART").json()["name"] == "art"


def test_null_stands_for_the_default(client: TestClient) -> None:
    fields = ("title", "max", "order", "aliases", "counts_in_total")
    default = put(client, "art").json()
    put(client, "art", title="Art", max=20, order=2, aliases=["Drawing"], counts_in_total=False)

    sent = put(client, "art", **dict.fromkeys(fields))

    assert sent.status_code == 200, sent.text
    assert [sent.json()[name] for name in fields] == [default[name] for name in fields] == [None, None, None, [], True]


def test_aliases_beyond_the_limit_can_be_sent_back_but_not_added(client: TestClient) -> None:
    put(client, "math")
    many = [f"m{number}" for number in range(25)]  # as renaming leaves them
    changes = {"aliases": many, "spellings": ["math", *many]}
    assert client.portal
    client.portal.call(lambda: collection(Subject).update_one({"name": "math"}, {"$set": changes}))

    kept = put(client, "math", aliases=many, max=20)
    fewer = put(client, "math", aliases=many[1:])

    assert [(one.status_code, one.json()["aliases"]) for one in (kept, fewer)] == [(200, many), (200, many[1:])]
    assert errors(put(client, "math", aliases=[*many[2:], "new"])) == [("too_long", "#/aliases")]


def test_an_entity_tag_stands_for_the_whole_response(client: TestClient) -> None:
    put(client, "art")
    before = client.get("/subjects/art")

    create(client, art=1)

    after = client.get("/subjects/art")
    unchanged = client.get("/subjects/art", headers={"If-None-Match": before.headers["etag"]})
    assert (after.headers["etag"], after.json(), unchanged.status_code) == (before.headers["etag"], before.json(), 304)
    assert put(client, "art", before.headers["etag"], max=20).status_code == 200


def test_the_log_of_a_subject_with_very_many_aliases_stays_small(client: TestClient) -> None:
    put(client, "math")
    many = [f"{number:064}" for number in range(1000)]
    changes = {"aliases": many, "spellings": ["math", *many]}
    assert client.portal
    client.portal.call(lambda: collection(Subject).update_one({"name": "math"}, {"$set": changes}))

    assert put(client, "math", aliases=many[1:]).status_code == 200

    assert len(client.get("/subjects/math").json()["changes"][0]["what"]) < 5000


def test_the_list_has_declared_subjects_in_their_order_then_those_with_marks(client: TestClient) -> None:
    create(client, "S1", art=1, pe=2)
    create(client, "S2", pe=3, gone=4)
    client.delete("/students/S2/marks/gone")
    put(client, "quiz", order=1)
    put(client, "zoology")

    first = client.get("/subjects", params={"limit": 3})
    rest = client.get(first.links["next"]["url"])

    assert [(one["name"], one["students"], one["declared"]) for one in [*first.json(), *rest.json()]] == [
        ("quiz", 0, True), ("art", 1, False), ("pe", 2, False), ("zoology", 0, True),
    ]  # fmt: skip
    assert client.get("/subjects/gone").status_code == 404


def test_a_mark_is_checked_against_the_maximum_of_its_subject(client: TestClient) -> None:
    put(client, "quiz", max=10)
    put(client, "thesis", max=300)

    made = create(client, quiz=10, thesis=300, math=100)

    assert made.status_code == 201, made.text
    refused = client.patch("/students/S1", json={"marks": {"quiz": 10.5, "thesis": 301, "math": 101, "art": 9}})
    assert errors(refused) == [("mark_range", f"#/marks/{one}") for one in ("quiz", "thesis", "math")]
    assert "between 0 and 10." in refused.json()["errors"][0]["detail"]
    assert errors(client.put("/students/S1/marks/quiz", json={"mark": 11})) == [("mark_range", "#/mark")]
    assert errors(create(client, "S2", thesis=1_000_001)) == [("mark_range", "#/marks/thesis")]
    assert "art" not in [one["name"] for one in stored("subjects")], "a refused request stores no subject"


def test_a_maximum_cannot_be_below_stored_marks(client: TestClient) -> None:
    create(client, "S1", quiz=8)
    create(client, "S2", quiz=9.5)
    create(client, "S3", quiz=20)
    client.delete("/students/S3")

    refused = put(client, "quiz", max=9)
    lowered = put(client, "quiz", max=9.5)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/marks-above-maximum")
    assert "9 in quiz: 1" in refused.json()["detail"]
    assert (lowered.status_code, client.get("/subjects/quiz").json()["max"]) == (200, 9.5)
    assert errors(client.put("/students/S1/marks/quiz", json={"mark": 10})) == [("mark_range", "#/mark")]


def test_no_mark_above_the_maximum_of_today_is_restored(client: TestClient) -> None:
    create(client, "S1", quiz=20)
    client.delete("/students/S1")
    create(client, "S2", quiz=11)
    create(client, "S3", quiz=5)
    assert client.post("/students/S2/merge", json={"into": "S3", "choose": {"marks.quiz": "into"}}).status_code == 200
    assert put(client, "quiz", max=10).status_code == 200

    restored = client.post("/students/S1/restore")
    undone = client.post("/students/S3/merge/undo")

    expected = [(409, "/problems/earlier-marks-do-not-fit")] * 2
    assert [(one.status_code, one.json()["type"]) for one in (restored, undone)] == expected
    assert restored.json()["detail"] == "The earlier mark in quiz is 20, and the maximum is 10 now."
    put(client, "quiz", max=20)
    assert client.post("/students/S1/restore").json()["marks"] == {"quiz": 20}
    assert client.post("/students/S3/merge/undo").json()["marks"] == {"quiz": 5}
    client.patch("/students/S1", json={"marks": {"quiz": 5}})
    client.patch("/students/S2", json={"marks": {"quiz": 5}})
    put(client, "quiz", max=10)
    assert client.post("/students/S1/restore?version=1").json()["type"] == "/problems/earlier-marks-do-not-fit"


def test_a_mark_that_was_written_meanwhile_prevents_a_lower_maximum(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, quiz=8)
    check = service.check_marks

    async def check_before_another_process_writes(name: str, highest: float, pointer: str) -> None:
        await check(name, highest, pointer)
        await collection(StudentDocument).update_one({"roll_no": "S1"}, {"$set": {"marks.quiz": 80}})

    monkeypatch.setattr(service, "check_marks", check_before_another_process_writes)
    refused = put(client, "quiz", max=9)

    assert refused.status_code == 409
    assert client.get("/subjects/quiz").json()["max"] is None


def test_a_first_mark_that_was_written_meanwhile_prevents_a_lower_maximum(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client)
    put(client, "quiz")
    change = Subject.change

    async def change_while_another_process_writes(subject: Subject, changes: Any) -> Any:
        await collection(StudentDocument).update_one({"roll_no": "S1"}, {"$set": {"marks.quiz": 80}})
        return await change(subject, changes)

    monkeypatch.setattr(Subject, "change", change_while_another_process_writes)
    refused = put(client, "quiz", max=9)

    assert (refused.status_code, client.get("/subjects/quiz").json()["max"]) == (409, None)


def test_a_write_that_was_validated_before_a_maximum_was_lowered_is_refused(client: TestClient) -> None:
    create(client, "S1", quiz=5)
    put(client, "quiz", max=10)
    assert client.portal
    made = StudentCreate(roll_no="S2", name="A", branch="B", marks={"quiz": 20})
    with pytest.raises(InvalidRequest):
        client.portal.call(students.patch, "S1", StudentPatch(marks={"quiz": 20}), Writer("alice"))
    with pytest.raises(InvalidRequest):
        client.portal.call(students.create, made, Writer("alice"))
    new = StudentBulkStore("alice", "import").created(made.model_dump())
    assert client.portal.call(partial(StudentBulkStore.write_all, [new], within_maxima=True)) == [False]


def test_unused_subjects_are_removed_and_their_number_is_limited(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(client, "S1", left=1, used=2, deleted=3)
    put(client, "declared")
    create(client, "S2", deleted=4)
    client.delete("/students/S2")
    client.put("/students/S1", json={"name": "A", "branch": "B", "marks": {"used": 2}})
    monkeypatch.setattr(unused, "UNUSED_FOR", timedelta(0))
    assert client.get("/subjects/left").status_code == 404
    assert client.put("/subjects/left", json={}, headers={"If-Match": "*"}).status_code == 404
    assert client.put("/subjects/left", json={}, headers={"If-None-Match": "*"}).status_code == 201
    create(client, "S3", unused=5)
    client.put("/students/S3", json={"name": "A", "branch": "B", "marks": {}})

    assert client.portal
    client.portal.call(unused.remove_all_unused)

    assert {one["name"] for one in stored("subjects")} == {"left", "used", "deleted", "declared"}
    monkeypatch.setattr(mark_matching, "MAX_STORED", 5)
    monkeypatch.setattr(service, "MAX_STORED", 5)
    refused = create(client, "S4", a=1, b=1)
    assert errors(refused) == [("subjects_full", "#/marks/b")]
    assert create(client, "S4", a=1).status_code == 201
    assert put(client, "c").json()["type"] == "/problems/too-many-subjects"
    assert put(client, "a", max=50).status_code == 200


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("Math", "case"),
        ("MATH", "case"),
        ("\uff4d\uff41\uff54\uff48", "width"),
        ("ma\u200cth", "an invisible character"),
        ("maths", "alias"),
        ("Mathematik", "alias, in another case"),
    ],
)
def test_every_way_of_writing_a_mark_understands_other_spellings(client: TestClient, written: str, rule: str) -> None:
    put(client, "math", aliases=["Maths", "mathematik"])

    made = create(client, "S1", **{written: 1, "art": 5})
    patched = client.patch("/students/S1", json={"marks": {written: 2}})
    replaced = client.put("/students/S1", json={"name": "A", "branch": "B", "marks": {written: 3}})
    one = client.put(f"/students/S1/marks/{written}", json={"mark": 4})

    told = {"stored_as": {written: "math"}}
    assert [answer.json().get("stored_as") for answer in (made, patched, replaced, one)] == [told["stored_as"]] * 4
    assert one.json()["marks"] == {"math": 4}
    assert "stored_as" not in client.patch("/students/S1", json={"marks": {"math": 5}}).json()
    table = send(client, f"roll_no,name,branch,{written},pe\nS1,A,B,6,1\n").json()
    rows = send(client, f'{{"roll_no": "S1", "marks": {{"{written}": 7}}}}\n', NDJSON).json()
    for report in (table, rows):
        found = [finding for finding in report["findings"] if finding["code"] == "subject_stored_as"]
        assert [(finding["column"], finding["stops"]) for finding in found] == [(written, False)], (report, rule)
        assert '"math"' in found[0]["detail"]
    assert client.get("/students/S1").json()["marks"] == {"math": 7, "pe": 1}
    assert client.patch("/students/S1", json={"marks": {written: None}}).json()["marks"] == {"pe": 1}
    client.put("/students/S1/marks/math", json={"mark": 8})
    for query in ({f"marks.{written}.gte": 8}, {"where": f"marks.{written}=8"}):
        assert len(client.get("/students", params=query).json()) == 1, query
    assert client.get("/students", params={"missing": written}).json() == []
    assert client.delete(f"/students/S1/marks/{written}").status_code == 204


def test_every_way_of_reading_marks_understands_other_spellings(client: TestClient) -> None:
    put(client, "math", aliases=["maths"])
    for number, mark in enumerate((5, 90, 40)):
        assert create(client, f"S{number}", math=mark).status_code == 201

    assert [one["roll_no"] for one in client.get("/students?sort=-marks.Maths").json()] == ["S1", "S2", "S0"]
    exported = client.get("/exports/students?sort=-marks.MATHS").text.splitlines()[1:]
    assert [row.split(",")[0] for row in exported] == ["S1", "S2", "S0"]
    assert [one["roll_no"] for one in client.get("/students?marks.maths.gte=40").json()] == ["S1", "S2"]
    assert [one["roll_no"] for one in client.get("/rankings?by=Maths").json()] == ["S1", "S2", "S0"]
    (statistics,) = client.get("/statistics?subject=Maths&subject=math").json()["subjects"]
    assert (statistics["subject"], statistics["n"]) == ("math", 3)


def test_two_spellings_of_one_subject_in_one_body_are_refused(client: TestClient) -> None:
    put(client, "math", aliases=["maths"])

    for marks in ({"math": 1, "Maths": 2}, {"Maths": 1, "MATH": 2}, {"Art": 1, "ART": 2}):
        first, second = marks
        assert errors(create(client, "S1", **marks)) == [("subject_twice", f"#/marks/{second}")], first
    report = send(client, '{"roll_no": "S1", "name": "A", "branch": "B", "marks": {"math": 1, "MATHS": 2}}', NDJSON)
    assert report.json()["errors"][0]["code"] == "subject_twice"


def test_one_of_two_processes_that_write_a_new_subject_at_once_decides_its_spelling(client: TestClient) -> None:
    async def race() -> list[str]:
        # Both processes have read the subjects before the other one stores its spelling.
        known = await asyncio.gather(register(["Math", "art"]), register(["math", "ART"]))
        return [one.name_of(subject) for one in known for subject in ("MATH", "Art")]

    assert client.portal
    names = client.portal.call(race)

    assert names[:2] == names[2:]
    assert sorted(names[:2]) == sorted(one["name"] for one in stored("subjects"))


def test_a_bulk_write_with_an_outdated_spelling_is_not_made(client: TestClient) -> None:
    create(client, math=1)
    store = StudentBulkStore(by="alice", source="test")

    async def write() -> list[bool]:
        new = {"S2": {"Math": 1}, "S3": {"pe": 1}}
        contents = [{"roll_no": roll_no, **NAMED, "marks": marks} for roll_no, marks in new.items()]
        return await store.write_all([store.created(content) for content in contents])

    assert client.portal
    assert client.portal.call(write) == [False, True]


def test_aliases_belong_to_one_subject(client: TestClient) -> None:
    create(client, physics=1, history=2)
    client.delete("/students/S1/marks/history")
    put(client, "math", aliases=["maths"])

    taken = [put(client, "art", aliases=["drawing", alias]) for alias in ("MATHS", "Math", "physics")]
    free = put(client, "art", aliases=["History"])

    for answer in taken:
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (409, "#/aliases/1"), answer.text
    assert free.status_code == 201, "nobody has a mark in history any more"
    assert client.get("/subjects/history").json()["name"] == "art"


@pytest.mark.parametrize(
    ("declared", "code", "pointer"),
    [
        ({"max": 0}, "subject_max", "#/max"),
        ({"max": 1_000_001}, "subject_max", "#/max"),
        ({"max": True}, "subject_max", "#/max"),
        ({"max": 10.005}, "mark_decimals", "#/max"),
        ({"order": -1}, "greater_than_equal", "#/order"),
        ({"order": True}, "int_type", "#/order"),
        ({"order": "1"}, "int_type", "#/order"),
        ({"aliases": ["a.b"]}, "subject_dot", "#/aliases/0"),
        ({"aliases": [f"a{n}" for n in range(21)]}, "too_long", "#/aliases"),
        ({"aliases": ["a"] * 1001}, "too_long", "#/aliases"),
        ({"counts_in_total": "no"}, "bool_type", "#/counts_in_total"),
        ({"colour": 1}, "extra_forbidden", "#/colour"),
    ],
)
def test_a_wrong_declaration_is_refused(client: TestClient, declared: dict[str, Any], code: str, pointer: str) -> None:
    assert errors(client.put("/subjects/math", json=declared)) == [(code, pointer)]


def migrate(settings: Settings) -> None:
    async def run() -> None:
        assert settings.mongodb_url
        step: Any = m0005_subjects.Forward.store
        motor: Any = AsyncIOMotorClient(settings.mongodb_url.get_secret_value())
        await init_beanie(database=motor[settings.mongodb_database], document_models=step.models)
        await step.run(session=None)
        motor.close()

    asyncio.run(run())


def test_spellings_stored_before_subjects_existed_stay_subjects_of_their_own(
    client: TestClient, settings: Settings
) -> None:
    of = [{"math": 1}, {"math": 2}, {"Math": 3, "art": 1}, {"MATH": 4, "math": 5}]
    listing.store(client, [{"roll_no": f"S{n}", **NAMED, "marks": marks} for n, marks in enumerate(of)])
    for _ in range(2):  # the second time, all are there already
        migrate(settings)
    catalog.invalidate()

    assert [(one["name"], one["students"]) for one in client.get("/subjects").json()] == [
        ("MATH", 1), ("Math", 1), ("art", 1), ("math", 3),
    ]  # fmt: skip
    same = client.put("/students/S3", json={**NAMED, "marks": {"MATH": 40, "math": 50}})
    other = client.patch("/students/S3", json={"marks": {"mATH": 51}})
    assert (same.status_code, same.json()["marks"]) == (200, {"MATH": 40, "math": 50})
    assert other.json()["stored_as"] == {"mATH": "math"}
    assert client.get("/subjects/Math").json()["name"] == "Math"
