"""Tests of the OpenAPI document: it is complete, consistent for all operations, and stored as a file."""

import gzip
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Path as InPath
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field

from core.__main__ import main
from core.app import create_app
from core.cli import openapi
from core.identity import Role, at_least
from core.openapi.code_samples import code_samples
from core.openapi.examples import NOTHING, Examples
from core.registry import discover
from core.routing.router import ProtectedRouter
from core.settings import Settings
from core.version import VERSION
from tests.conftest import AppClient, configured, sign_in
from tests.contract.samples import send
from tests.core.stubs import stub, unstarted_client

Json = dict[str, Any]

REMEDY = f"openapi.json does not match the code. Run: {openapi.COMMAND.replace('python', '.venv/bin/python')}"


@pytest.fixture(scope="module")
def document() -> Json:
    return openapi.generated()


@pytest.fixture(scope="module")
def operations(document: Json) -> list[tuple[str, Json]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def test_the_file_matches_the_code(document: Json) -> None:
    assert openapi.current_file().read_text(encoding="utf-8") == openapi.written(document), REMEDY


def test_there_is_a_baseline_of_this_version() -> None:
    baseline = openapi.baseline_file(VERSION)
    assert baseline.exists(), REMEDY
    assert json.loads(baseline.read_text(encoding="utf-8"))["info"]["version"] == VERSION


def test_a_baseline_is_written_once_for_each_version(document: Json, tmp_path: Path) -> None:
    first = openapi.write_files(document, tmp_path)
    again = openapi.write_files(document | {"paths": {}}, tmp_path)
    raised = openapi.write_files(document | {"info": {"title": "x", "version": "9.0.0"}}, tmp_path)
    assert [len(written) for written in (first, again, raised)] == [2, 1, 2]
    assert json.loads(openapi.baseline_file(VERSION, tmp_path).read_text(encoding="utf-8")) == document
    assert openapi.baseline_file("9.0.0", tmp_path) in raised


def test_the_command_writes_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(openapi, "ROOT", tmp_path)
    assert main(["openapi"]) == 0
    assert capsys.readouterr().out.startswith(
        f"Wrote openapi.json, docs/openapi/{VERSION}.json, docs/settings.md, .env.example."
    )
    assert (tmp_path / "openapi.json").exists()


def test_the_document_is_of_openapi_3_1_and_of_this_version(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["version"] == VERSION


def test_every_operation_documents_its_required_role(operations: list[tuple[str, Json]]) -> None:
    for name, operation in operations:
        role = operation.get("x-required-role")
        everyone = "METRICS_TOKEN" if name == "GET /metrics" else "No authentication is required."
        sentences = {None: everyone, "viewer": "Requires a signed-in user."}
        assert sentences.get(role, f"Requires the role `{role}`.") in operation["description"], name
        scopes = [] if role in (None, "viewer") else [role]
        schemes = [] if role is None else [{"OAuth2PasswordBearer": scopes}, {"AccessToken": scopes}]
        assert operation["security"] == schemes, name
        assert ("403" in operation["responses"]) >= bool(scopes), name
    roles = {name: operation.get("x-required-role") for name, operation in operations}
    assert (roles["GET /students"], roles["POST /students"], roles["GET /users"]) == ("viewer", "teacher", "admin")


def test_tags_are_in_the_order_in_which_a_newcomer_needs_them(document: Json) -> None:
    first = ["auth", "students", "transfers", "analytics", "service"]
    assert [tag["name"] for tag in document["tags"] if tag["name"] in first] == first


def test_the_description_explains_what_all_operations_share(document: Json) -> None:
    headings = re.findall(r"^## (.+)$", document["info"]["description"], re.MULTILINE)
    assert headings == ["Quickstart", "Roles and limits", "Paging", "Errors", "Retries", "Concurrency", "Versioning"]
    assert len(document["info"]["description"]) < 3000


def test_a_client_can_sign_in_with_a_password_or_send_a_token(document: Json) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["scopes"].keys() == set(Role)
    assert (schemes["AccessToken"]["type"], schemes["AccessToken"]["scheme"]) == ("http", "bearer")


def contents(operation: Json) -> Iterator[tuple[str, Json]]:
    bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for where, body in bodies.items():
        for media_type, content in body.get("content", {}).items():
            yield f"{where} as {media_type}", content


def test_every_parameter_body_and_response_has_an_example(operations: list[tuple[str, Json]]) -> None:
    bare = [
        *(f"{name}: {at}" for name, operation in operations for at, it in contents(operation) if not has_example(it)),
        *(
            f"{name}: {parameter['name']}"
            for name, operation in operations
            for parameter in operation.get("parameters", ())
            if not has_example(parameter)
        ),
    ]
    assert bare == []


def has_example(described: Json) -> bool:
    return bool(described.keys() & {"example", "examples"})


def test_null_in_an_example_is_kept(document: Json) -> None:
    examples = document["components"]["schemas"]["StudentPatch"]["examples"]
    assert examples == [{"marks": {"math": 93, "art": 60, "physics": None}}]
    body = document["paths"]["/students/{roll_no}"]["patch"]["requestBody"]["content"]
    assert [content["example"] for content in body.values()] == examples * 2


def schemas_in(part: Any) -> Iterator[Json]:
    """Yield every schema below a part of the document that is not an example."""
    if isinstance(part, dict):
        yield part
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part if isinstance(part, list) else ()):
        if name not in ("example", "examples"):
            yield from schemas_in(inner)


def test_a_number_is_one_type(document: Json) -> None:
    assert document["components"]["schemas"]["StudentRead"]["properties"]["marks"]["additionalProperties"] == {
        "type": "number"
    }
    types = [[one.get("type") for one in schema.get("anyOf", ())] for schema in schemas_in(document)]
    assert ["string", "number", "null"] in types
    assert [one for one in types if {"integer", "number"} <= set(one)] == []


def test_request_bodies_have_no_defaults(document: Json) -> None:
    names = ("SignIn", "StudentCreate", "StudentPatch")
    properties = {name: document["components"]["schemas"][name]["properties"] for name in names}
    assert properties["StudentPatch"]["marks"]["description"]
    members = [member for schema in properties.values() for member in schema.values()]
    assert [member for member in members if "default" in member] == []
    assert document["components"]["schemas"]["ImportRead"]["properties"]["findings"]["default"] == []


def test_fields_that_requests_cannot_set_are_read_only(document: Json) -> None:
    times = ["created_at", "updated_at"]
    read_only = [*times, "etag", "stored_as"]
    of_bodies = dict.fromkeys(("StudentCreate", "StudentReplace", "StudentPatch"), read_only)
    of_bodies["SubjectWrite"] = ["declared", "students", "changes", *times]
    of_answers = {"StudentRead": [*times, "stored_as"], "StudentListItem": [*times, "etag"]}
    for name, expected in {**of_bodies, **of_answers}.items():
        schema = document["components"]["schemas"][name]
        assert [field for field, member in schema["properties"].items() if member.get("readOnly")] == expected, name
        assert name not in of_bodies or not set(expected) & set(schema.get("required", ())), name


def test_the_list_of_students_has_one_schema(document: Json) -> None:
    content = document["paths"]["/students"]["get"]["responses"]["200"]["content"]
    schema = content["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/StudentListItem"}}


def test_each_way_to_import_is_one_operation(document: Json) -> None:
    paths = [path for path in document["paths"] if path.startswith("/imports")][:4]
    assert paths == ["/imports/upload", "/imports", "/imports/preview/upload", "/imports/preview"]
    bodies = [list(document["paths"][path]["post"]["requestBody"]["content"]) for path in paths]
    assert bodies[::2] == [["multipart/form-data"]] * 2
    assert bodies[1] == bodies[3]
    assert bodies[1][0] == "text/csv"
    assert "multipart/form-data" not in bodies[1]


def test_the_problem_of_an_import_has_a_schema_and_an_example(document: Json) -> None:
    for path in ("/imports", "/imports/upload", "/imports/{import_id}/resume"):
        (media_type,) = document["paths"][path]["post"]["responses"]["422"]["content"].items()
        assert media_type[0] == "application/problem+json"
        assert media_type[1]["schema"] == {"$ref": "#/components/schemas/ImportProblem"}
        (error,) = media_type[1]["examples"]["ImportRejected"]["value"]["errors"]
        assert error.keys() == {"row", "line", "field", "value", "code", "detail"}


def test_no_parameter_can_be_null(operations: list[tuple[str, Json]]) -> None:
    parameters = [parameter for _, operation in operations for parameter in operation.get("parameters", ())]
    assert len(parameters) > 50
    assert not [parameter for parameter in parameters if "null" in json.dumps(parameter["schema"])]


def test_every_response_documents_its_request_id(operations: list[tuple[str, Json]]) -> None:
    for name, operation in operations:
        for status, answer in operation["responses"].items():
            assert answer["headers"]["X-Request-ID"]["required"], (name, status)
            assert answer["description"] not in ("", "Successful Response"), (name, status)


def test_every_body_documents_its_size_limit_and_a_wrong_media_type() -> None:
    settings = Settings.model_construct(max_body_bytes=12345)
    paths = create_app(settings).openapi()["paths"]
    bodies = {
        path: operation
        for path, operations in paths.items()
        for operation in operations.values()
        if "requestBody" in operation
    }
    assert {"413", "415"} <= set(bodies["/students"]["responses"])
    assert bodies["/students"]["requestBody"]["x-max-bytes"] == 12345
    assert "At most 12,345 bytes (`MAX_BODY_BYTES`)" in bodies["/students"]["requestBody"]["description"]
    assert bodies["/imports"]["requestBody"]["x-max-bytes"] == settings.value_of("IMPORT_MAX_BYTES")


def problem_schema(document: Json, path: str, status: str) -> Json:
    """Return the schema of the problem document that `POST path` can answer with a status."""
    reference = document["paths"][path]["post"]["responses"][status]["content"]["application/problem+json"]["schema"]
    schema: Json = document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
    return schema


def test_the_members_of_problem_documents_are_typed(document: Json, open_client: AppClient) -> None:
    client = open_client(registrations_per_address=1000)
    refused = client.post("/login", data={"username": "nobody", "password": "secure123"})
    wrong_form = client.post("/login", data={"grant_type": "code"})
    sign_in(client)
    headers = {"Content-Type": "text/csv"}
    rejected = client.post("/imports", content="roll_no,name,branch,math\nS1,A,B,950\n", headers=headers)
    wrong_query = client.post("/imports?mode=x&other=1", content="", headers=headers)
    for path, answer in (
        ("/login", refused),
        ("/login", wrong_form),
        ("/imports", rejected),
        ("/imports", wrong_query),
        ("/students", client.post("/students", json={"name": 1})),
        ("/register", client.post("/register", json={"name": 1})),
    ):
        schema = problem_schema(document, path, str(answer.status_code))
        assert answer.json().keys() <= schema["properties"].keys(), path
        assert set(schema["required"]) <= answer.json().keys(), path
        item = document["components"]["schemas"][schema["properties"]["errors"]["items"]["$ref"].rpartition("/")[2]]
        for error in answer.json().get("errors", ()):
            assert set(item["required"]) <= error.keys() <= item["properties"].keys(), path
    assert {"code", "row", "field", "value"} <= rejected.json()["errors"][0].keys()
    assert {"code", "parameter"} <= wrong_query.json()["errors"][0].keys()
    assert {"error", "error_description"} <= refused.json().keys() & wrong_form.json().keys()


def test_members_of_problem_documents_are_absent_rather_than_null(document: Json) -> None:
    for name in ("ProblemDetails", "FieldError", "ImportProblem", "FileError", "OAuthProblem"):
        assert "null" not in json.dumps(list(document["components"]["schemas"][name]["properties"].values())), name


def test_the_document_is_small_when_it_is_compressed() -> None:
    first = [module for module in discover() if module.name in ("auth", "students", "transfers", "analytics")]
    assert len(gzip.compress(unstarted_client(*first).get("/openapi.json").content)) < 60_000


def test_the_maximum_mark_is_that_of_the_settings() -> None:
    schemas = create_app(configured(Settings(), marks_max=20)).openapi()["components"]["schemas"]
    assert schemas["MarkWrite"]["properties"]["mark"]["maximum"] == 20


def test_every_sample_call_of_the_service_is_valid(operations: list[tuple[str, Json]], client: TestClient) -> None:
    """`tests/contract` sends those of the modules."""
    own = [(name, operation) for name, operation in operations if operation["tags"] == ["service"]]
    assert own
    for name, operation in own:
        answer = send(client, operation["x-codeSamples"][0]["source"])
        assert str(answer.status_code) in operation["responses"], (name, answer.text)
        assert answer.status_code not in {400, 405, 413, 415, 422, 500}, (name, answer.text)


def test_code_samples_compile_in_python(operations: list[tuple[str, Json]]) -> None:
    for name, operation in operations:
        samples = operation["x-codeSamples"]
        assert [sample["label"] for sample in samples] == ["curl", "Python", "TypeScript"], name
        compile(samples[1]["source"], name, "exec")
        for sample in samples:
            assert ("TOKEN" in sample["source"]) == bool(operation["security"]), name


def sample_of(media_type: str, example: Any, answer: str = "") -> tuple[str, ...]:
    """Return the samples of an operation with this body and this media type of its answer."""
    operation = {
        "security": [],
        "requestBody": {"content": {media_type: {"example": example}}},
        "responses": {"201": {"content": {answer: {}} if answer else {}}, "404": {}},
    }
    return tuple(sample["source"] for sample in code_samples("post", "/things", operation))


def test_a_sample_sends_json_with_the_constants_of_its_language() -> None:
    example = {"name": "Zoë's", "none": None, "yes": True, "list": [1, 2.5]}
    curl, python, typescript = sample_of("application/json", example, "application/json")
    words = shlex.split(curl.replace("\\\n", " "))
    assert json.loads(words[words.index("--data-binary") + 1]) == example
    assert 'json={"name": "Zoë\'s", "none": None, "yes": True, "list": [1, 2.5]},' in python
    assert python.endswith("print(response.json())")
    assert 'JSON.stringify({"name": "Zoë\'s", "none": null, "yes": true, "list": [1, 2.5]})' in typescript
    assert typescript.endswith("console.log(await response.json());")


def test_a_sample_sends_a_form_a_file_or_a_text() -> None:
    assert [text.count("class.csv") for text in sample_of("multipart/form-data", {})] == [1, 1, 2]
    form = sample_of("application/x-www-form-urlencoded", {"a": "1 2"})
    for source, part in zip(form, ["-d a=1+2", 'data={"a": "1 2"}', 'URLSearchParams({"a": "1 2"})'], strict=True):
        assert part in source
    text = sample_of("text/csv", "a\nb")
    assert ['"a\\nb".encode()' in text[1], 'body: "a\\nb"' in text[2]] == [True, True]


def test_a_sample_writes_a_workbook_to_a_file_and_reads_no_empty_answer() -> None:
    for source in sample_of("text/csv", "a", "application/vnd.example"):
        assert re.search(r"-O|wb|writeFile", source)
    assert not [source for source in sample_of("text/csv", "a") if re.search(r"-O|print|console", source)]


class Course(BaseModel):
    """A course."""

    code: Annotated[str, Field(examples=["M1"])]
    seats: int = 30
    by: str | None = None


def test_a_new_module_is_documented_automatically() -> None:
    router = ProtectedRouter()

    @router.put("/courses/{code}", dependencies=[at_least(Role.ADMIN)])
    async def put(code: Annotated[str, InPath(examples=["M1"])], course: Course) -> Course:
        """Put a course there."""
        return course

    operation = unstarted_client(stub(router=router)).get("/openapi.json").json()["paths"]["/courses/{code}"]["put"]
    assert operation["summary"] == "Put a course there"
    assert operation["x-required-role"] == "admin"
    assert operation["x-codeSamples"][0]["source"].startswith("curl -s -X PUT 'http://testserver/courses/M1'")
    assert operation["responses"]["200"]["description"] == "A course."


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string"}, NOTHING),
        ({"type": "string", "examples": ["a", "b"]}, "a"),
        ({"type": "integer", "default": 3}, 3),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": "x"}, "x"),
        ({"anyOf": [{"const": 1}, {"type": "null"}]}, 1),
        ({"type": "array", "items": {"const": 1}, "default": []}, [1]),
        ({"type": "array", "items": {"type": "string"}}, NOTHING),
        (
            {"type": "object", "properties": {"a": {"const": 1}, "b": {"$ref": "#/components/schemas/Two"}}},
            {"a": 1, "b": 2},
        ),
        ({"type": "object", "properties": {"a": {"const": 1}, "b": {"type": "string"}}}, NOTHING),
    ],
)
def test_an_example_is_derived_from_a_schema(schema: Json, example: Any) -> None:
    assert Examples({"Two": {"const": 2}}).of(schema) == example


class Order(BaseModel):
    """A body that contains itself, and refers to another model."""

    course: Course
    parts: list["Order"] = []
    price: int | float = 1


def test_defaults_are_removed_from_all_parts_of_a_body() -> None:
    router = ProtectedRouter()

    @router.post("/orders")
    async def order(order: Order) -> None:
        """Order a course."""

    schemas = create_app(Settings(), [stub(router=router)]).openapi()["components"]["schemas"]
    members = [member for name in ("Order", "Course") for member in schemas[name]["properties"].values()]
    assert [member for member in members if "default" in member] == []
    assert schemas["Order"]["properties"]["price"] == {"title": "Price", "type": "number"}


class Part(BaseModel):
    parts: list["Part"]


def test_unusual_routes_can_be_documented() -> None:
    router = ProtectedRouter()

    @router.get("/parts")
    async def part() -> Part:
        """Read a part."""
        return Part(parts=[])

    @router.get("/picture", responses={200: {"content": {"image/png": {}}}})
    async def picture() -> None:
        """Draw a picture."""

    paths = create_app(Settings(), [stub(router=router)]).openapi()["paths"]
    assert "example" not in paths["/parts"]["get"]["responses"]["200"]["content"]["application/json"]
    assert "image/png" in paths["/picture"]["get"]["responses"]["200"]["content"]


def test_an_incomplete_document_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(Settings(), [stub()])

    def fail(_: Json) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("core.openapi.document.document_schemes", fail)
        with pytest.raises(RuntimeError):
            app.openapi()
    assert app.openapi()["components"]["securitySchemes"]
