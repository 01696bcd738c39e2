"""Tests of the pages of problem types: each type has a page at the URL that is its `type`."""

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.api.documented_responses import problem_responses
from core.app import create_app
from core.errors import Conflict, InvalidRequest, NotFound, Problem, StartupError
from core.module import Module
from core.pages.problem_catalog import problem_types
from core.registry import discover
from core.routing.router import ProtectedRouter
from core.settings import Settings
from tests.core.stubs import BROWSER, stub

MODULES = discover()
TYPES = problem_types(MODULES)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_app(Settings.model_construct(), MODULES))


@pytest.fixture(params=TYPES.values(), ids=lambda problem: problem.__name__)
def problem(request: pytest.FixtureRequest) -> type[Problem]:
    kind: type[Problem] = request.param
    return kind


def test_the_types_are_those_of_core_and_the_modules() -> None:
    names = {problem.__name__ for problem in TYPES.values()}
    assert {"NotFound", "InternalError", "StudentNotFound", "WrongCredentials", "ImportRejected"} <= names
    assert "HttpProblem" not in names


def test_a_page_describes_the_problem(client: TestClient, problem: type[Problem]) -> None:
    answer = client.get(problem.type_uri(), headers=BROWSER)
    page = answer.text
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f"<h1>{problem.title}</h1>" in page
    assert f'<p class="status">{problem.status} <code>{problem.type_uri()}</code></p>' in page
    assert all(f"<code>{name}</code>" in page for name in problem.documented_headers)
    assert "&quot;request_id&quot;" in page


def test_the_json_has_the_same_content(client: TestClient, problem: type[Problem]) -> None:
    described = client.get(problem.type_uri()).json()
    assert (described["type"], described["title"], described["status"]) == (
        problem.type_uri(),
        problem.title,
        problem.status,
    )
    assert (described["meaning"], described["remedy"]) == (problem.meaning(), problem.remedy())
    assert described["headers"] == problem.documented_headers
    assert (described["example"]["type"], described["example"]["status"]) == (problem.type_uri(), problem.status)


def test_a_problem_has_a_meaning_and_a_remedy(problem: type[Problem]) -> None:
    assert re.fullmatch(r"[A-Z].+\.", problem.meaning())
    assert re.fullmatch(r"[A-Z`].+\.", problem.remedy()), f"{problem.__name__} does not say what a client can do"


def test_all_problem_types_are_listed(client: TestClient) -> None:
    assert [kind["type"] for kind in client.get("/problems").json()] == list(TYPES)
    links = re.findall(r'<td><a href="([^"]+)">', client.get("/problems", headers=BROWSER).text)
    assert links == list(TYPES)


def test_each_type_in_the_documentation_has_a_page(client: TestClient) -> None:
    documented = set(re.findall(r'"type":\s?"(/problems/[^"]*)"', client.get("/openapi.json").text))
    assert len(documented) > 20
    assert documented <= set(TYPES)


def test_the_type_of_a_response_is_the_url_of_its_page(client: TestClient) -> None:
    problem = client.get("/nowhere").json()
    assert client.get(problem["type"]).json()["title"] == problem["title"]


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
@pytest.mark.parametrize("path", ["/problems/nothing", "/problems/about:blank", "/problems/%ED%A0%80", "/problems/"])
def test_an_unknown_problem_type_is_not_found(client: TestClient, path: str, accept: str) -> None:
    answer = client.get(path, headers={"Accept": accept})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


def paths(described: dict[str, Any]) -> set[str]:
    return {f"{operation['method']} {operation['path']}" for operation in described["operations"]}


def test_a_page_lists_the_operations_that_document_the_problem(client: TestClient) -> None:
    described = client.get("/problems/roll-no-taken").json()
    assert {"POST /students", "POST /students/{roll_no}/rename"} <= paths(described)
    assert "GET /students" not in paths(described)
    page = client.get("/problems/roll-no-taken", headers=BROWSER).text
    assert '<a href="/docs#/students/students-create"><code>POST /students</code></a> Create a student' in page


@pytest.mark.parametrize("name", ["internal-error", "unauthenticated", "not-found"])
def test_a_page_lists_no_operations_if_nearly_all_document_the_problem(client: TestClient, name: str) -> None:
    answer = client.get(f"/problems/{name}", headers=BROWSER)
    assert (answer.status_code, "POST /students" in answer.text) == (200, False)


def test_a_problem_and_its_special_cases_refer_to_each_other(client: TestClient) -> None:
    described = client.get("/problems/student-not-found").json()
    assert described["kind_of"]["type"] == "/problems/not-found"
    assert described["type"] in [kind["type"] for kind in client.get("/problems/not-found").json()["kinds"]]


class Odd(Conflict):
    """It is <b>odd</b> & `<i>`. Do "nothing"."""

    title = "<Odd>"


def with_problem(problem: type[Problem]) -> Module:
    """Return a module, named like this file's folder, with a route that documents the problem."""
    router = ProtectedRouter()

    @router.get("/odd", responses=problem_responses(problem))
    async def odd() -> None:
        """Be odd."""

    return stub(name="core", router=router)


def test_the_text_of_a_page_is_escaped() -> None:
    client = TestClient(create_app(Settings(), [with_problem(Odd)]))
    page = client.get("/problems/odd", headers=BROWSER).text
    assert "<h1>&lt;Odd&gt;</h1>" in page
    assert '<p class="lead">It is &lt;b&gt;odd&lt;/b&gt; &amp; <code>&lt;i&gt;</code>.</p>' in page
    assert "<p>Do &quot;nothing&quot;.</p>" in page
    assert "GET /odd" in page
    assert "&lt;Odd&gt;" in client.get("/problems", headers=BROWSER).text


def test_problems_of_missing_modules_have_no_page() -> None:
    client = TestClient(create_app(Settings(), [stub()]))
    listed = {kind["type"] for kind in client.get("/problems").json()}
    assert {InvalidRequest.type_uri(), NotFound.type_uri()} <= listed
    assert not {"/problems/odd", "/problems/student-not-found"} & listed
    assert client.get("/problems/student-not-found").status_code == 404


def test_two_problems_with_the_same_name_prevent_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = type("NotFound", (Conflict,), {"__module__": __name__, "__doc__": "It is here. Look.", "title": "Twin"})
    monkeypatch.setitem(globals(), "NotFound", twin)
    expected = r"NotFound.*core\.errors.*tests\.core\."
    with pytest.raises(StartupError, match=expected):
        create_app(Settings(), [stub(name="core")])


def test_a_class_that_its_module_does_not_define_is_ignored() -> None:
    local: type[Problem] = type("Local", (Conflict,), {"__module__": __name__, "title": "Local"})
    assert local.type_uri() not in problem_types([stub(name="core")])


def test_links_have_the_path_prefix_of_a_proxy() -> None:
    client = TestClient(create_app(Settings.model_construct()), root_path="/api")
    for path in ("/api/problems", "/api/problems/roll-no-taken", "/api/problems/not-found"):
        links = re.findall(r'href="([^"]+)"', client.get(path, headers=BROWSER).text)
        assert all(link.startswith("/api/") for link in links)
        assert {client.get(link).status_code for link in links} == {200}
