"""Tests of the documentation: it needs no internet access, and describes all operations and errors."""

import re
from importlib.machinery import ModuleSpec
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient

import core.pages.docs
from core.api.documented_responses import operation_id
from core.app import create_app
from core.errors import StartupError
from core.settings import Settings
from tests.conftest import sign_in
from tests.core.stubs import BROWSER

DOCS = ["/docs", "/redoc"]
PAGES = [*DOCS, "/", "/problems", "/problems/not-found"]
REFERENCE = r"""(?:href|src|url)\s*[=:]\s*["']([^"']+)"""
PROBLEM = {"application/problem+json"}

Operation = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = TestClient(create_app(Settings.model_construct())).get("/openapi.json").json()
    return document


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, Operation]:
    found = [operation for path in document["paths"].values() for operation in path.values()]
    by_id = {operation["operationId"]: operation for operation in found}
    assert len(by_id) == len(found), "an operationId is used twice"
    return by_id


@pytest.fixture(scope="module")
def docs_client() -> TestClient:
    return TestClient(create_app(Settings.model_construct()))


@pytest.mark.parametrize("page", DOCS)
def test_a_page_refers_to_this_host_only(docs_client: TestClient, page: str) -> None:
    text = docs_client.get(page).text
    assert not re.findall(r"https?:|[\"'(]//", text)


@pytest.mark.parametrize("page", DOCS)
def test_all_references_of_a_page_exist(docs_client: TestClient, page: str) -> None:
    references = re.findall(REFERENCE, docs_client.get(page).text)
    assert "/openapi.json" in references
    assert len(references) >= 3
    for reference in references:
        answer = docs_client.get(reference)
        assert (reference, answer.status_code) == (reference, 200)
        assert answer.content


@pytest.mark.parametrize("page", PAGES)
def test_a_page_cannot_load_resources_of_other_hosts(docs_client: TestClient, page: str) -> None:
    headers = docs_client.get(page, headers=BROWSER).headers
    policy = dict(directive.split(maxsplit=1) for directive in headers["Content-Security-Policy"].split("; "))
    nothing = ("default-src", "base-uri", "form-action", "frame-ancestors")
    assert {policy[directive] for directive in nothing} == {"'none'"}
    assert policy.get("script-src", "'none'") == ("'self'" if page in DOCS else "'none'")
    sources = {source for value in policy.values() for source in value.split()}
    of_docs = {source for source in sources if source in ("data:", "blob:") or source.startswith("'sha256-")}
    assert sources - of_docs == {"'self'", "'none'"}
    assert page in DOCS or not of_docs
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_inline_scripts_or_styles(docs_client: TestClient, page: str) -> None:
    text = docs_client.get(page, headers=BROWSER).text
    assert not re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert re.findall(r"<script[^>]*>", text) == re.findall(r'<script src="/[^"]+">(?=</script>)', text)


def test_the_redoc_script_loads_no_external_logo(docs_client: TestClient) -> None:
    answer = docs_client.get("/redoc.js")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    assert 'src:"data:,"' in answer.text
    assert "cdn.redoc.ly" not in answer.text
    again = docs_client.get("/redoc.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("page", DOCS)
def test_a_page_uses_the_path_prefix_of_a_proxy(page: str) -> None:
    proxied = TestClient(create_app(Settings.model_construct()), root_path="/api")
    references = re.findall(REFERENCE, proxied.get(f"/api{page}").text)
    assert "/api/openapi.json" in references
    assert {(reference, proxied.get(reference).status_code) for reference in references} == {
        (reference, 200) for reference in references if reference.startswith("/api/")
    }


def test_the_documented_token_url_signs_in(client: TestClient) -> None:
    sign_in(client)
    schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
    scheme = schemes["OAuth2PasswordBearer"]
    token_url = urljoin("/docs", scheme["flows"]["password"]["tokenUrl"])
    form = {"grant_type": "password", "username": "alice", "password": "secure123"}
    answer = client.post(token_url, data=form, headers={"Authorization": ""})
    assert (answer.status_code, answer.json()["token_type"]) == (200, "bearer")


def test_operation_ids_can_be_method_names_of_a_client(operations: dict[str, Operation]) -> None:
    assert {
        "service-welcome",
        "service-healthz",
        "service-readyz",
        "auth-register",
        "auth-login",
        "students-create",
        "students-list",
        "students-get",
        "students-replace",
        "students-delete",
    } <= set(operations)
    assert all(re.fullmatch(r"[a-z0-9_]+(-[a-z]+)+", name) for name in operations)


def test_each_operation_has_a_summary_a_description_and_a_sample_call(operations: dict[str, Operation]) -> None:
    summaries = {name: operation["summary"] for name, operation in operations.items()}
    assert summaries["service-welcome"] == "Get the welcome page"
    assert not {name: text for name, text in summaries.items() if not re.fullmatch(r"[A-Z][a-z]+ [^\n]+[^.\s]", text)}
    for name, operation in operations.items():
        assert operation["description"].endswith("."), name
        assert operation["x-codeSamples"][0]["source"].startswith("curl -s "), name


def test_each_operation_has_only_the_tag_of_its_module(operations: dict[str, Operation]) -> None:
    assert {name: operation["tags"] for name, operation in operations.items()} == {
        name: [name.partition("-")[0]] for name in operations
    }


def test_each_tag_is_described(document: dict[str, Any], operations: dict[str, Operation]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert described == {tag for operation in operations.values() for tag in operation["tags"]}


def test_each_operation_documents_the_errors_that_all_routes_share(operations: dict[str, Operation]) -> None:
    for name, operation in operations.items():
        errors = {status: set(r.get("content", {})) for status, r in operation["responses"].items() if status > "4"}
        assert {"400", "413", "422", "500", "503"} <= set(errors), name
        assert all(types == PROBLEM for types in errors.values()), name


def test_503_documents_retry_after(operations: dict[str, Operation]) -> None:
    assert all("Retry-After" in operation["responses"]["503"]["headers"] for operation in operations.values())


PUBLIC = {
    "service-welcome",
    "service-healthz",
    "service-readyz",
    "service-metrics",
}


def test_a_protected_operation_documents_its_authentication(operations: dict[str, Operation]) -> None:
    protected = {name for name, operation in operations.items() if operation.get("security")}
    of_service = {name for name in operations if name.startswith("service-")}  # tests/contract checks those of modules
    assert protected & of_service == of_service - PUBLIC
    for name in protected:
        assert "WWW-Authenticate" in operations[name]["responses"]["401"]["headers"]
    for name in PUBLIC - {"service-metrics"}:  # which needs a token that is not a user's
        assert "401" not in operations[name]["responses"]


def test_fastapis_own_errors_are_not_documented(document: dict[str, Any]) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_every_schema_reference_exists(document: dict[str, Any]) -> None:
    references = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document)))
    assert {"ProblemDetails", "FieldError"} <= references
    assert references <= set(document["components"]["schemas"])


def test_no_schema_has_fields_of_stored_documents(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert not {"_id", "secret_key", "hashed_password"} & set(schema.get("properties", {})), name


@pytest.mark.parametrize(
    ("tags", "name", "expected"),
    [
        (["students"], "create", "students-create"),
        (["students"], "list_", "students-list"),
        (["students"], "read_one", "students-read-one"),
        ([], "x", "service-x"),
    ],
)
def test_an_operation_id_consists_of_tag_and_name(tags: list[str], name: str, expected: str) -> None:
    class Route:
        pass

    route: Any = Route()
    route.tags, route.name = tags, name
    assert operation_id(route) == expected


@pytest.mark.parametrize("spec", [None, ModuleSpec("fastapi_offline", None)])
def test_missing_assets_prevent_startup_and_the_error_has_a_remedy(
    spec: ModuleSpec | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core.pages.docs, "find_spec", lambda _: spec)
    with pytest.raises(StartupError, match=r"fastapi-offline.*requirements\.txt"):
        create_app(Settings())
