"""No command of the student routes reads a whole collection: the real mongod explains each of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, permutations, product
from typing import Any

import pytest
from beanie import Document
from bson import ObjectId, json_util
from fastapi.testclient import TestClient
from httpx2 import Response
from pymongo import IndexModel, MongoClient

from core.identity import Role
from core.settings import Settings
from modules.students import module
from modules.students.listing import pages
from modules.students.merging import service as merging
from modules.students.models import Action, StudentDocument
from modules.students.records import store as records
from modules.students.records.write_batch import Outcome, Write, write_all
from tests.auth.people import Person, make
from tests.conftest import AppClient
from tests.queries import Command, SentCommands, explained, plans, recorded, steps
from tests.students.listing import store

# All kinds of commands that the routes send. The test fails if one of them was not sent.
KINDS = {
    ("findAndModify", "students"),
    *product(["find", "aggregate", "update", "delete"], ["students"]),
    *product(["find", "delete"], ["student_history", "student_changes"]),
    ("find", "student_erasures"),
    ("find", "users"),
    *product(["find", "findAndModify", "aggregate", "delete"], ["subjects"]),
    *product(["find", "findAndModify", "aggregate"], ["subject_operations"]),
    *product(["find", "delete"], ["subject_merged_students"]),
    # What an erasure sends, also in other modules.
    ("distinct", "student_history"),
    ("find", "erasure_followers"),
    ("update", "idempotency_keys"),
    ("update", "imports"),
    ("update", "import_changes"),
    ("find", "student_former_numbers"),
    ("update", "student_former_numbers"),
    ("delete", "student_former_numbers"),
    ("delete", "import_files"),
    ("distinct", "import_errors"),
    ("distinct", "import_plans"),
}

# Indexes of students that only other modules' queries use.
FOR_OTHERS = {"by_total", "by_average", "by_identity"}


@dataclass
class Script:
    """Sends requests as an admin, and sets the current route of the listener."""

    admin: Person
    sent: SentCommands

    def ask(self, method: str, template: str, query: str = "", json: object = None, **names: str) -> Response:
        self.sent.route = f"{method} {template}"
        answer = self.admin.ask(method, template.format(**names) + query, json=json)
        assert answer.is_success, (self.sent.route, query, answer.text)
        return answer

    def page_through(self, template: str, query: str, **names: str) -> None:
        """Request the first page of a list, the second one by `next`, and the first one again by `prev`."""
        first = self.ask("GET", template, query, **names)
        for relation in ("next", "prev"):
            if relation in first.links:
                first = self.admin.ask("GET", first.links[relation]["url"])
                assert first.is_success, first.text


@pytest.fixture
def sent() -> SentCommands:
    return SentCommands()


@pytest.fixture
def client(no_app: None, open_client: AppClient, sent: SentCommands) -> Iterator[TestClient]:
    with recorded(sent):
        yield open_client()


@pytest.fixture
def script(client: TestClient, settings: Settings, sent: SentCommands) -> Script:
    """Store 400 students. Return a script that sends requests as an admin."""
    subjects = ["math", "art / design", "1"]
    store(
        client,
        (
            {
                "roll_no": f"S{number:03}",
                "name": f"Name{number * 37 % 90} O'Neil",
                "branch": f"B{number % 4}",
                "marks": {subject: number * 13 % 101 for n, subject in enumerate(subjects) if number % (n + 3)},
            }
            for number in range(400)
        ),
    )
    return Script(make(client, settings, "principal", Role.ADMIN), sent)


FIELDS = ["roll_no", "name", "branch", "created_at", "updated_at", "marks.math", "marks.1"]
FURTHER_SORTS = ["natural", "-natural", "last_name", "-last_name", "-marks.1,-natural", "branch,last_name"]
FILTERS = [
    "branch=B1",
    "branch=B1&branch=B3",
    "marks.math.gte=90",
    "marks.math.gt=20&marks.math.lt=60&marks.1.lte=50",
    "marks.art / design.lt=10",
    "missing=math",
    "missing=math&missing=1",
    "updated_since=2020-01-01T00:00:00Z",
    "updated_since=2099-01-01T00:00:00Z",
    "q=name1",
    "q=name1 neil s0",
    "q=o'neil-x",
    "branch=B2&missing=1&marks.math.gte=5&updated_since=2020-01-01T00:00:00Z&q=s",
    "roll_no=S001&roll_no=S100&roll_no=S399&roll_no=none",
    "where=branch=B1|branch=B3&where=branch!=B3",
    "where=marks.math>=90|marks.1<5|name=Name1 O'Neil&where=missing=1|marks.1!=7",
    "where=missing=math|missing=1|branch!=B2&roll_no=S001&roll_no=S002&q=name",
]

# Filters, each with the indexes that find its students.
SELECTIVE = {
    "roll_no=S001&roll_no=S100": {"by_roll_no", "holder_unique"},
    "where=branch=B1|branch=B2": {"by_branch"},
    "where=branch!=B1": {"by_branch"},
    "where=name=Name1 O'Neil": {"by_name"},
    "where=name!=Name1 O'Neil": {"by_name"},
    "where=marks.math=90": {"by_mark"},
    "where=marks.math!=90": {"by_mark"},
    "where=marks.math<5": {"by_mark"},
    "where=missing=math": {"by_subjects"},
    "q=o'neil": {"by_term"},
    "q=o'n-e il&where=branch=B1|name=x": {"by_term", "by_branch", "by_name"},
    "where=marks.math>90|marks.1<=5|name=x|missing=1|branch!=B1": {"by_mark", "by_name", "by_subjects", "by_branch"},
}


def list_students(script: Script) -> None:
    """Sort by each field in both directions and by all pairs of fields, and use each filter in three of five orders."""
    directions = ["", "-"]
    sorts = [direction + name for direction, name in product(directions, FIELDS)]
    for (first, second), (one, two) in zip(permutations(FIELDS, 2), cycle(product(directions, directions))):
        sorts.append(f"{one}{first},{two}{second}")
    for sort in [*sorts, *FURTHER_SORTS]:
        script.page_through("/students", f"?limit=5&sort={sort}")
    orders = cycle(["roll_no", "-name", "marks.math", "-marks.math,name", "branch,-updated_at"])
    for chosen in FILTERS:
        for sort in islice(orders, 3):
            script.page_through("/students", f"?limit=3&count=true&sort={sort}&{chosen}")


def list_students_with_many_sets_of_subjects(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """List students as in a school with more sets of subjects than a query can hold."""
    with monkeypatch.context() as patch:
        patch.setattr(pages, "MAX_SETS_BYTES", 1)
        for query in ("sort=marks.math", "sort=-marks.math,name", "missing=math&count=true", "missing=1&sort=-name"):
            script.page_through("/students", f"?limit=5&{query}")


def change_students(script: Script) -> None:
    """Change a student in every way, and read its history."""
    body = {"name": "n", "branch": "b", "marks": {"math": 1}}
    script.ask("POST", "/students", json={"roll_no": "A", **body})
    script.ask("PUT", "/students/{roll_no}", json=body | {"branch": "c"}, roll_no="A")
    script.ask("PATCH", "/students/{roll_no}", json={"name": "m"}, roll_no="A")
    script.ask("PUT", "/students/{roll_no}/marks/{subject}", json={"mark": 5}, roll_no="A", subject="art / design")
    script.ask("DELETE", "/students/{roll_no}/marks/{subject}", roll_no="A", subject="math")
    script.ask("POST", "/students/{roll_no}/rename", json={"roll_no": "B"}, roll_no="A")
    script.ask("DELETE", "/students/{roll_no}", roll_no="B")
    script.ask("POST", "/students/{roll_no}/restore", roll_no="B")
    script.ask("POST", "/students/{roll_no}/restore", "?version=2", roll_no="B")
    script.ask("DELETE", "/students/{roll_no}", roll_no="B")
    script.ask("POST", "/students", "?continue=true", json={"roll_no": "B", **body})
    script.ask("GET", "/students/{roll_no}", roll_no="B")
    script.page_through("/students/{roll_no}/history", "?limit=3", roll_no="B")
    script.ask("GET", "/students/{roll_no}/history/{version}", roll_no="B", version="2")
    script.ask("GET", "/students/{roll_no}/history/{version}", roll_no="B", version="10")


def have_several_records(script: Script) -> None:
    """Give a number again, follow an old one, and merge two records."""
    body = {"name": "n", "branch": "b", "marks": {"math": 1}}
    for _ in range(3):
        script.ask("POST", "/students", json={"roll_no": "C", **body})
        script.ask("DELETE", "/students/{roll_no}", roll_no="C")
    script.page_through("/students/{roll_no}/former", "?limit=1", roll_no="C")
    newest, oldest = script.ask("GET", "/students/{roll_no}/former", roll_no="C").json()
    script.ask("GET", "/students/{roll_no}/history", f"?holder={oldest['key']}", roll_no="C")
    script.ask("POST", "/students/{roll_no}/restore", f"?holder={oldest['key']}", roll_no="C")
    script.ask("DELETE", "/students/{roll_no}", f"?purge=true&holder={newest['key']}", roll_no="C")
    script.sent.route = "GET /students/{roll_no}"
    assert script.admin.ask("GET", "/students/A").json()["moved_to"] == "B"
    script.ask("POST", "/students/{roll_no}/merge", json={"into": "B"}, roll_no="C")
    script.ask("POST", "/students/{roll_no}/merge/undo", roll_no="B")
    script.ask("POST", "/students/{roll_no}/merge", json={"into": "B"}, roll_no="C")
    script.sent.route = "GET /students/{roll_no}"
    assert script.admin.ask("GET", "/students/C").json()["moved_to"] == "B"
    assert script.admin.client.portal
    script.admin.client.portal.call(merging.resume_all)
    script.ask("DELETE", "/students/{roll_no}", "?purge=true", roll_no="B")


def create_by_put(script: Script) -> None:
    script.sent.route = "PUT /students/{roll_no}"
    headers = {"If-None-Match": "*", "Authorization": f"Bearer {script.admin.token}"}
    for status in (201, 412):  # the second time, the student exists
        answer = script.admin.client.put("/students/P", json={"name": "n", "branch": "b"}, headers=headers)
        assert answer.status_code == status


def follow_changes(script: Script) -> None:
    token = ""
    for limit in (10, 500, 500):
        answer = script.ask("GET", "/changes", f"?limit={limit}{token}").json()
        token = f"&since={answer['next']}"
    script.ask("PATCH", "/students/{roll_no}", json={"name": "again"}, roll_no="S001")
    assert len(script.ask("GET", "/changes", f"?limit=5{token}").json()["changes"]) == 1


def erase_students(script: Script) -> None:
    for roll_no in ("S005", "S006", "S007"):
        script.ask("DELETE", "/students/{roll_no}", "?purge=true", roll_no=roll_no)
    script.page_through("/erasures", "?limit=1")
    newest, *_ = script.ask("GET", "/erasures").json()
    script.ask("GET", "/erasures/{erasure_id}", erasure_id=newest["erasure_id"])


def change_subjects(script: Script) -> None:
    for subject in ("math", "art", "pe"):
        declared = {"max": 99.5 if subject == "art" else 100, "aliases": [f"{subject} 1"]}
        script.ask("PUT", "/subjects/{subject}", json=declared, subject=subject)
    script.ask("GET", "/subjects", "?limit=1")
    script.ask("GET", "/subjects/{subject}", subject="math")
    for path, body in (("rename", {"to": "arts"}), ("merge", {"into": "math", "on_conflict": "into"})):
        subject = "art" if path == "rename" else "pe"
        begun = script.ask("POST", f"/subjects/{{subject}}/{path}", json=body, subject=subject).json()
        operation_id = begun.get("operation_id", "")
    script.ask("GET", "/subject-operations", "?limit=1")
    script.ask("GET", "/subject-operations/{operation_id}", operation_id=operation_id)
    script.ask("POST", "/subject-operations/{operation_id}/undo", operation_id=operation_id)


def lose_a_race(script: Script) -> None:
    """Write too late: the student has been changed or erased since it was read."""
    assert script.admin.client.portal
    call = script.admin.client.portal.call
    stale = call(records.get, "S010").model_copy(update={"version": 7})
    erased = stale.model_copy(update={"id": ObjectId()})
    script.sent.route = "PATCH /students/{roll_no}"
    for student in (stale, erased):
        write = Write(student, student.successor(Action.UPDATED, "alice"))
        assert call(write_all, [write]) == [Outcome.CONFLICT]


@pytest.fixture
def explain(mongodb_url: str, database_name: str) -> Iterator[Callable[[Command], Any]]:
    with MongoClient[dict[str, Any]](mongodb_url) as client:
        yield partial(explained, client[database_name])


def test_a_query_without_an_index_would_be_noticed(script: Script, explain: Callable[[Command], Any]) -> None:
    unindexed: Command = {"updated_by": "alice"}
    commands: list[Command] = [
        {"find": "students", "filter": unindexed},
        {"find": "students", "filter": {"$or": [{"roll_no": "S1"}, unindexed]}},
        {"aggregate": "students", "pipeline": [{"$match": unindexed}, {"$group": {"_id": "$branch"}}], "cursor": {}},
        {"count": "students", "query": unindexed},
        {"distinct": "students", "key": "branch", "query": unindexed},
        {"findAndModify": "students", "query": unindexed, "update": {"$set": {"x": 1}}},
        {"update": "students", "updates": [{"q": unindexed, "u": {"$set": {"x": 1}}}]},
        {"delete": "students", "deletes": [{"q": unindexed, "limit": 0}]},
    ]

    for command in commands:
        assert "COLLSCAN" in dict(steps(list(plans(explain(command))))), command


def test_every_query_of_every_route_uses_an_index(
    script: Script, sent: SentCommands, explain: Callable[[Command], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    list_students(script)
    list_students_with_many_sets_of_subjects(script, monkeypatch)
    change_students(script)
    have_several_records(script)
    create_by_put(script)
    follow_changes(script)
    erase_students(script)
    change_subjects(script)
    lose_a_race(script)
    sent.route = ""

    checked: dict[str, list[tuple[str, str]]] = {}
    routes, kinds = set(), set()
    for route, command in sent.statements():
        kind, collection = next(iter(command.items()))
        kinds.add((kind, collection))
        if collection.startswith(("student", "subject")):
            routes.add(route)
        text = json_util.dumps(command)
        if text not in checked:
            checked[text] = list(steps(list(plans(explain(command)))))
            assert checked[text], f"no plan: {text}"
            assert "COLLSCAN" not in dict(checked[text]), (route, text)

    assert routes == student_routes(script.admin.client)
    assert kinds >= KINDS
    used = {index for found in checked.values() for _, index in found}
    assert used >= existing_indexes(script.admin.client, StudentDocument).keys() - FOR_OTHERS


def test_a_list_in_the_order_of_an_index_is_not_sorted(
    script: Script, sent: SentCommands, explain: Callable[[Command], Any]
) -> None:
    for sort in ("roll_no", "-roll_no", "natural", "name", "last_name", "branch", "created_at", "updated_at"):
        script.page_through("/students", f"?limit=5&sort={sort}")
    sent.route = ""

    statements = [command for _, command in sent.statements() if command.get("find") == "students"]
    assert len(statements) == 24
    for command in statements:
        assert "SORT" not in dict(steps(list(plans(explain(command))))), command


@pytest.fixture
def candidates(script: Script, explain: Callable[[Command], Any]) -> Callable[[str], list[Any]]:
    """Return a function that returns the plans among which MongoDB chooses to count the students of a query."""

    def of(query: str) -> list[Any]:
        script.sent.commands.clear()
        script.ask("GET", "/students", f"?limit=1&count=true&{query}")
        *_, counting = (command for _, command in script.sent.statements() if command.get("aggregate") == "students")
        found = plans(explain(counting), "rejectedPlans")
        return [plan for one in found for plan in (one if isinstance(one, list) else [one])]

    return of


def test_each_filter_can_use_its_indexes(candidates: Callable[[str], list[Any]]) -> None:
    for query, indexes in SELECTIVE.items():
        found = list(steps(candidates(query)))

        assert {index for _, index in found} >= indexes, query
        assert ("OR" in dict(found)) == (len(indexes) > 2), query


def test_more_alternatives_give_mongodb_no_more_plans_to_try(candidates: Callable[[str], list[Any]]) -> None:
    """It tries each plan for thousands of steps: four times ten alternatives once took more than five seconds."""
    alternatives = "branch!=x|branch!=y|name=z|missing=1|marks.1>=0|marks.math>=0"

    tried = [len(candidates("&".join(["marks.math.gte=0", *[f"where={alternatives}"] * n]))) for n in (1, 10)]

    assert tried[0] == tried[1] > 2


def test_every_command_of_a_list_has_a_time_limit(script: Script, sent: SentCommands) -> None:
    script.ask("GET", "/students", "?where=marks.math<9|marks.1<9&where=missing=1|branch!=B1&sort=-marks.1,name")
    script.ask("GET", "/students", "?where=marks.math<9|marks.1<9&count=true")
    sent.route = ""

    limits = [command["maxTimeMS"] for _, name, command in sent.commands if command[name] == "students"]
    assert len(limits) > 4
    assert all(limit <= 5_000 for limit in limits[:-1])
    assert limits[-1] <= 30_000


def test_every_declared_index_exists(client: TestClient) -> None:
    for document in module.documents:
        declared = {index.document["name"]: [*index.document["key"].items()] for index in _declared(document)}
        existing = existing_indexes(client, document)
        assert existing == {"_id_": [("_id", 1)], **declared} or existing == declared == {}


def _declared(document: type[Document]) -> list[IndexModel]:
    settings: Any = document.Settings
    return getattr(settings, "indexes", [])


def existing_indexes(client: TestClient, document: type[Document]) -> dict[str, Any]:
    """Return the indexes of a collection: name to keys."""
    assert client.portal
    information = client.portal.call(document.get_motor_collection().index_information)
    return {name: [*index["key"]] for name, index in information.items()}


def student_routes(client: TestClient) -> set[str]:
    """Return all routes of the module, as the OpenAPI document lists them."""
    paths = client.get("/openapi.json").json()["paths"]
    return {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method, route in methods.items()
        if "students" in route["tags"]
    }
