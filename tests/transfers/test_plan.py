"""The plan of an import: a list of what each row does, which a dry run and the import itself answer alike."""

from itertools import count
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database

from core.errors import Unavailable
from modules.transfers.imports import import_job, new_subjects, plan, row_reader
from modules.transfers.models import Import
from modules.transfers.plans import pages
from tests.students.test_indexes import plans as winning_plans
from tests.students.test_indexes import steps
from tests.transfers.helpers import JSON, NDJSON, add, counts, imported, lines, read_table, send, students, table
from tests.transfers.test_import_model import ROLLS, ROW, STUDENT, SUBJECTS

HEADER = ["roll_no", "name", "branch", *SUBJECTS]
OF_FILE = ("state", *("rows", "created", "updated", "unchanged", "failed"), "name_changes", "new_subjects")


def planned(client: TestClient, import_id: str, query: str = "limit=500", link: str = "next") -> list[JSON]:
    """Return all entries of a plan, page by page."""
    address, found = f"/imports/{import_id}/plan?{query}", list[JSON]()
    while address:
        page = client.get(address)
        assert page.status_code == 200, page.text
        found += page.json()
        address = page.links[link]["url"] if link in page.links else ""
    return found


def in_order(entries: list[JSON]) -> list[JSON]:
    """Return entries with those that change a name first, and otherwise in the order of rows."""
    return sorted(entries, key=lambda one: (not changes_name(one), one["row"]))


def changes_name(entry: JSON) -> bool:
    return any(change["field"] == "name" for change in entry["changes"])


def changes(entry: JSON) -> list[tuple[object, ...]]:
    return [(change["field"], change["from"], change["to"]) for change in entry["changes"]]


def expected_changes(before: JSON, after: JSON) -> set[tuple[object, ...]]:
    """Return the changed fields of a student, given as in `students`."""
    old, new = (
        {"name": one["name"], "branch": one["branch"]} | {f"marks.{subject}": mark for subject, mark in marks.items()}
        for one, marks in ((before, before["marks"]), (after, after["marks"]))
    )
    return {(field, old.get(field), new.get(field)) for field in {**old, **new} if old.get(field) != new.get(field)}


@settings(
    max_examples=13,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.dictionaries(st.sampled_from(ROLLS), STUDENT, max_size=5),
    rows=st.lists(ROW, max_size=8),
    batch=st.sampled_from([2, 500]),
    options=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["insert", "upsert", "update"]),
            "blank": st.sampled_from(["keep", "remove"]),
            "on_error": st.sampled_from(["reject", "skip"]),
        }
    ),
)
def test_a_dry_run_lists_what_the_import_does(  # noqa: PLR0913, PLR0917  # two fixtures and four strategies
    teacher: TestClient,
    database: Database[JSON],
    before: dict[str, JSON],
    rows: list[tuple[object, ...]],
    batch: int,
    options: dict[str, Any],
) -> None:
    for name in ("students", "student_history", "student_changes"):
        database[name].delete_many({})
    imported(teacher, lines([{"roll_no": roll_no, **one} for roll_no, one in before.items()]), NDJSON)
    text = table([HEADER, *rows])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_reader, "BATCH", batch)
        dry = send(teacher, text, dry_run="true", columns="math:marks,art:marks", **options)
        assert students(teacher) == before
        real = send(teacher, text, columns="math:marks,art:marks", **options)

    assert dry.status_code == real.status_code
    would, done = (teacher.get(f"/imports/{answer.json()['id']}").json() for answer in (dry, real))
    is_rejected = done["state"] == "rejected"
    compared = [name for name in OF_FILE if not (is_rejected and name in ("created", "updated"))]
    assert [would[name] for name in compared] == [done[name] for name in compared]
    entries = planned(teacher, would["id"])
    assert entries == planned(teacher, done["id"])
    assert entries == in_order(entries)
    failed = {error["row"] for error in done["errors"]}
    assert sorted(one["row"] for one in entries) == sorted(set(range(1, len(rows) + 1)) - failed)
    assert sum(map(changes_name, entries)) == done["name_changes"]
    if not is_rejected:
        assert_done(entries, before, students(teacher))


def assert_done(entries: list[JSON], before: dict[str, JSON], after: dict[str, JSON]) -> None:
    """Assert that a plan has exactly the differences of the students before and after."""
    created = {one["roll_no"] for one in entries if one["outcome"] == "created"}
    assert created == after.keys() - before.keys()
    updated = {one["roll_no"]: set(changes(one)) for one in entries if one["outcome"] == "updated"}
    assert updated == {
        roll_no: expected_changes(old, after[roll_no]) for roll_no, old in before.items() if old != after[roll_no]
    }
    assert all(not one["changes"] for one in entries if one["outcome"] != "updated")


CLASS: list[list[object]] = [
    ["S0", "Asha", "Physics", 9, ""],
    ["S1", "Bo", "Physics", 2, ""],
    ["S2", "Cy", "Physics", 3, ""],
    ["S3", "Di", "Physics", 4, ""],
    ["S4", "Ed", "Physics", 5, ""],
]
LATER: list[list[object]] = [
    ["S0", "Asha", "Physics", 9, ""],
    ["N0", "New", "Physics", 9, 8],
    ["S1", "Bo", "Art", 7, 8],
    ["S2", "Cyrus", "Physics", 3, ""],
    ["S9", "", "", 950, ""],
    ["S3", "Dido", "Physics", 4, 5.5],
    ["S4", "Ed", "Physics", "", ""],
]
ENTRIES = [
    (4, "S2", "updated", [("name", "Cy", "Cyrus")]),
    (6, "S3", "updated", [("name", "Di", "Dido"), ("marks.art", None, 5.5)]),
    (1, "S0", "unchanged", []),
    (2, "N0", "created", []),
    (3, "S1", "updated", [("branch", "Physics", "Art"), ("marks.math", 2, 7), ("marks.art", None, 8)]),
    (7, "S4", "updated", [("marks.math", 5, None)]),
]
SKIP = {"on_error": "skip", "blank": "remove"}


def brief(entries: list[JSON]) -> list[tuple[object, ...]]:
    return [(one["row"], one["roll_no"], one["outcome"], changes(one)) for one in entries]


@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_rows_that_change_a_name_come_first(any_teacher: TestClient, dry_run: str) -> None:
    imported(any_teacher, table([HEADER, *CLASS]))

    report = imported(any_teacher, table([HEADER, *LATER]), dry_run=dry_run, **SKIP)

    entries = planned(any_teacher, report["id"])
    assert brief(entries) == ENTRIES
    assert [one["line"] - one["row"] for one in entries] == [1] * 6
    assert report["name_changes"] == 2
    assert report["new_subjects"] == [{"subject": "art", "rows": 3}]


@pytest.mark.parametrize("batch", [2, 500])
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_a_plan_is_read_page_by_page_in_both_directions(
    teacher: TestClient, monkeypatch: pytest.MonkeyPatch, batch: int, limit: int
) -> None:
    monkeypatch.setattr(row_reader, "BATCH", batch)
    imported(teacher, table([HEADER, *CLASS]))
    import_id = imported(teacher, table([HEADER, *LATER]), **SKIP)["id"]

    assert brief(planned(teacher, import_id, f"limit={limit}")) == ENTRIES
    for outcome in ("created", "updated", "unchanged"):
        found = planned(teacher, import_id, f"limit={limit}&outcome={outcome}")
        assert brief(found) == [one for one in ENTRIES if one[2] == outcome]
    assert last_to_first(teacher, import_id, limit) == ENTRIES


def last_to_first(client: TestClient, import_id: str, limit: int) -> list[tuple[object, ...]]:
    """Go to the last page of a plan and return the entries of all pages on the way back, in their order."""
    page = client.get(f"/imports/{import_id}/plan?limit={limit}")
    while "next" in page.links:
        page = client.get(page.links["next"]["url"])
    found = page.json()
    while "prev" in page.links:
        page = client.get(page.links["prev"]["url"])
        found = page.json() + found
    return brief(found)


def test_a_cursor_belongs_to_one_plan_and_one_filter(teacher: TestClient) -> None:
    first, second = (imported(teacher, table([HEADER, *CLASS]))["id"] for _ in range(2))
    address = teacher.get(f"/imports/{first}/plan?limit=1").links["next"]["url"]

    for other in (address.replace(first, second), f"{address}&outcome=created"):
        answer = teacher.get(other)
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (404, "cursor")


def test_a_plan_that_does_not_exist_or_has_another_outcome(teacher: TestClient) -> None:
    for path in ("plan", "plan.csv"):
        assert teacher.get(f"/imports/6921c0ffee6921c0ffee6921/{path}").status_code == 404
    import_id = imported(teacher, table([HEADER, *CLASS]))["id"]
    assert teacher.get(f"/imports/{import_id}/plan?outcome=failed").status_code == 422


def test_a_plan_is_a_csv_file_without_formulas(any_teacher: TestClient) -> None:
    imported(any_teacher, table([HEADER, *CLASS]))
    text = table([["roll_no", "name", "branch", "=1+2"], ["S0", "=cmd", "-", 5.5], ["S1", "Bo", "Physics", ""]])
    import_id = imported(any_teacher, text, dry_run="true")["id"]

    answer = any_teacher.get(f"/imports/{import_id}/plan.csv")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "plan.csv" in answer.headers["Content-Disposition"]
    assert read_table(answer.content.decode("utf-8-sig")) == [
        ["row", "line", "outcome", "roll_no", "field", "old", "new"],
        ["1", "2", "updated", "S0", "name", "Asha", "'=cmd"],
        ["1", "2", "updated", "S0", "branch", "Physics", "'-"],
        ["1", "2", "updated", "S0", "marks.=1+2", "", "5.5"],
        ["2", "3", "unchanged", "S1", "", "", ""],
    ]


def test_the_changes_of_a_row_are_listed_up_to_a_limit(teacher: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_CHANGES", 3)
    add(teacher, "S1")
    text = table([["roll_no", *"abcdefg"], ["S1", *range(7)]])

    import_id = imported(teacher, text)["id"]

    (entry,) = planned(teacher, import_id)
    assert (changes(entry)[-1], len(entry["changes"]), entry["changes_left_out"]) == (("marks.c", None, 2), 3, 4)
    rows = read_table(teacher.get(f"/imports/{import_id}/plan.csv").content.decode("utf-8-sig"))
    assert rows[-1] == ["1", "2", "updated", "S1", "4 more fields", "", ""]


def test_long_entries_are_stored_in_small_documents(
    teacher: TestClient, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_PAGE_BYTES", 3 * plan._ENTRY_BYTES)
    text = table([["roll_no", "name", "branch"], *([f"S{number}", "A", "B"] for number in range(10))])

    import_id = imported(teacher, text)["id"]

    assert database["import_plans"].count_documents({}) == 4
    assert [one["row"] for one in planned(teacher, import_id, "limit=4")] == list(range(1, 11))


@pytest.mark.parametrize("on_error", ["reject", "skip"])
def test_a_file_that_cannot_be_read_has_no_plan(teacher: TestClient, on_error: str) -> None:
    text = table([HEADER, *(["S" + str(number), "A", "B", number % 90, 90 - number % 70] for number in range(600))])

    answer = send(teacher, text.encode() + b"\0,\n", on_error=on_error)

    assert (answer.status_code, answer.json()["state"]) == (422, "failed")
    report = teacher.get(f"/imports/{answer.json()['id']}").json()
    assert planned(teacher, report["id"]) == []
    assert (report["name_changes"], report["new_subjects"]) == (0, [])


def test_the_plan_is_what_happened_not_what_was_planned(
    teacher: TestClient, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague changes a student between the two passes."""
    monkeypatch.setattr(row_reader, "BATCH", 1)
    imported(teacher, table([HEADER, *CLASS]))
    real = import_job._write_all

    async def change_and_write(*arguments: Any) -> bool:
        database["students"].update_one({"roll_no": "S2"}, {"$set": {"name": "Cyrus"}, "$inc": {"version": 1}})
        database["students"].update_one({"roll_no": "S0"}, {"$set": {"branch": "Art"}, "$inc": {"version": 1}})
        return await real(*arguments)

    monkeypatch.setattr(import_job, "_write_all", change_and_write)
    rows = [row for row in LATER if row[0] != "S9"]
    report = imported(teacher, table([HEADER, *rows]), blank="remove")

    assert brief(planned(teacher, report["id"])) == [
        (5, "S3", "updated", [("name", "Di", "Dido"), ("marks.art", None, 5.5)]),
        (1, "S0", "updated", [("branch", "Art", "Physics")]),
        (2, "N0", "created", []),
        ENTRIES[4],
        (4, "S2", "unchanged", []),
        (6, "S4", "updated", [("marks.math", 5, None)]),
    ]
    assert (report["name_changes"], report["new_subjects"]) == (1, [{"subject": "art", "rows": 3}])


# With on_error=reject, these are called for three batches in each of the two passes.
STORING = [(plan, "store"), (import_job, "_progress")]


def crash(monkeypatch: pytest.MonkeyPatch, where: Any, step: str, call: int, *, after: bool) -> None:
    """Let a step of the import fail in one of its calls, before or after it has done its work."""
    real, calls = getattr(where, step), count(1)

    async def run(*arguments: Any) -> Any:
        is_last = next(calls) == call
        made = None if is_last and not after else await real(*arguments)
        if is_last:
            raise Unavailable("Lost.")
        return made

    monkeypatch.setattr(where, step, run)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("where", "step", "call", "on_error"),
    [
        *((*where, 2, on_error) for where in [(import_job, "write"), *STORING] for on_error in ("reject", "skip")),
        *((*where, 5, "reject") for where in STORING),
    ],
)
def test_a_resumed_import_neither_loses_nor_doubles_entries(  # noqa: PLR0913, PLR0917  # where it is interrupted
    teacher: TestClient, monkeypatch: pytest.MonkeyPatch, where: Any, step: str, call: int, after: bool, on_error: str
) -> None:
    monkeypatch.setattr(row_reader, "BATCH", 2)
    imported(teacher, table([HEADER, *CLASS]))
    text = table([HEADER, *(row for row in LATER if row[0] != "S9" or on_error == "skip")])
    expected = imported(teacher, text, on_error=on_error, blank="remove", dry_run="true")
    crash(monkeypatch, where, step, call, after=after)

    answer = send(teacher, text, on_error=on_error, blank="remove")
    assert answer.status_code == 503
    (import_id, *_) = (one["id"] for one in teacher.get("/imports").json())
    report = teacher.post(f"/imports/{import_id}/resume").json()

    assert counts(report) == counts(expected)
    assert planned(teacher, report["id"]) == planned(teacher, expected["id"])
    for name in ("name_changes", "new_subjects"):
        assert report[name] == expected[name]


def test_a_row_that_an_earlier_run_wrote_late_has_its_changes(teacher: TestClient, database: Database[JSON]) -> None:
    """The student is written by this import when its row is validated, but its change log entry is missing."""
    add(teacher, "S1", "Before")
    real = import_job._write_all

    async def write_behind_its_back(work: Import, *arguments: Any) -> bool:
        (current,) = (await work.students.find(["S1"])).values()
        await work.students.write_all([work.students.changed(current, {"name": "After"})])
        return await real(work, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_job, "_write_all", write_behind_its_back)
        report = imported(teacher, "roll_no,name\nS1,After\n")

    assert brief(planned(teacher, report["id"])) == [(1, "S1", "updated", [("name", "Before", "After")])]


def test_new_subjects_are_those_without_a_mark_when_the_import_begins(
    any_teacher: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_reader, "BATCH", 1)
    add(any_teacher, "S1", math=1)
    add(any_teacher, "S2", chemistry=1)
    assert any_teacher.delete("/students/S2").status_code == 204
    marks: list[dict[str, float]] = [{"math": 1, "chemistry": 5}, {"music": 7}, {"chemistry": 0, "music": 950}]
    rows = [{"roll_no": f"N{n}", "name": "A", "branch": "B", "marks": one} for n, one in enumerate(marks)]

    report = imported(any_teacher, lines(rows), NDJSON, on_error="skip")
    again = imported(any_teacher, lines(rows), NDJSON, on_error="skip")

    assert report["new_subjects"] == [{"subject": "chemistry", "rows": 1}, {"subject": "music", "rows": 1}]
    assert again["new_subjects"] == []
    assert any_teacher.get(f"/imports/{report['id']}").json()["new_subjects"] == report["new_subjects"]


def test_the_list_of_new_subjects_is_bounded(teacher: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_subjects, "MAX_LISTED", 2)
    text = table([["roll_no", "name", "branch", *"abc"], *([f"S{n}", "A", "B", n, n, n] for n in range(3))])

    assert imported(teacher, text)["new_subjects"] == [{"subject": "a", "rows": 3}, {"subject": "b", "rows": 3}]


def test_a_school_with_too_many_subjects_has_no_new_ones(teacher: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_subjects, "MAX_STORED", 1)
    add(teacher, "S1", math=1, art=2)

    assert imported(teacher, "roll_no,music\nS1,3\n")["new_subjects"] == []


def test_every_query_of_a_plan_reads_only_what_it_returns(
    teacher: TestClient, database: Database[JSON], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_reader, "BATCH", 2)
    imported(teacher, table([HEADER, *CLASS]))
    for _ in range(3):
        imported(teacher, table([HEADER, *LATER]), dry_run="true", **SKIP)
    stored = database["imports"].find_one({"options.dry_run": True})
    assert stored
    work = Import.model_construct(id=stored["_id"])
    cases = [(1, None, None, False), (1, "created", None, False), (1, "updated", 3, False), (1, None, 5, True)]

    for rank, outcome, row, backwards in cases:
        query = pages._query(work, rank, outcome, row, backwards=backwards)  # type: ignore[arg-type]
        command = {"find": "import_plans", "filter": query, "sort": {"first": -1 if backwards else 1}}
        explained = database.command("explain", command, verbosity="executionStats")
        found = dict(steps(list(winning_plans(explained))))
        assert found.keys() <= {"PROJECTION_SIMPLE", "FETCH", "IXSCAN"}
        assert found["IXSCAN"] == "in_order"
        done = explained["executionStats"]
        assert done["totalDocsExamined"] == done["nReturned"] > 0
