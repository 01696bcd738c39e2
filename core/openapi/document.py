"""Completion of the OpenAPI document that FastAPI generates with information that is derived for all operations."""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from copy import deepcopy
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from core.api import PROBLEM_MEDIA_TYPE, REFERENCE, REQUEST_ID_EXAMPLE, ProblemDetails, header, problem_responses
from core.errors import UnsupportedMediaType
from core.openapi.code_samples import ADDRESS, code_samples
from core.openapi.examples import Examples, examples_with_nulls
from core.openapi.parameters import document_parameters, without_null
from core.openapi.portable_schemas import simplify
from core.openapi.security_schemes import document_access, document_schemes
from core.settings import Settings, use_settings

Json = dict[str, Any]

DESCRIPTION = Path(__file__).with_name("description.md").read_text(encoding="utf-8")
"""The description of the whole API, in Markdown."""

REQUEST_ID = header(
    "X-Request-ID",
    "The id of the request, which is also in the service's log. If you sent this header, its value is used.",
    example=REQUEST_ID_EXAMPLE,
    always=True,
)

NO_STORE = header("Cache-Control", "`no-store`: caches must not store the response.", example="no-store", always=True)

_DEPRECATED = header(
    "Deprecation",
    "When the operation was deprecated, in seconds since 1970 (RFC 9745).",
    example="@1793491200",
    always=True,
) | header(
    "Sunset",
    "When the operation may be removed (RFC 8594).",
    example="Mon, 01 Nov 2027 00:00:00 GMT",
    always=True,
)

_UNSUPPORTED = problem_responses(UnsupportedMediaType)[415]

_ENCODINGS = header(
    "Accept-Encoding", "`identity` if the body has an unsupported `Content-Encoding`.", example="identity"
)
_DESCRIPTIONS = {"201": "Created.", "202": "Accepted. Processing continues.", "204": "Success, without a body."}


def install_openapi(app: FastAPI, settings: Settings) -> None:
    """Replace `app.openapi` with a function that completes the document of FastAPI."""
    generate = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            # Some limits come from settings. They are set in a copy of the context, so the caller's are unchanged.
            app.openapi_schema = copy_context().run(_completed, generate, app, settings)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema


def _completed(generate: Callable[[], Json], app: FastAPI, settings: Settings) -> Json:
    use_settings(settings)
    try:
        document = generate()
        _complete(document, app, settings)
    except BaseException:
        app.openapi_schema = None  # FastAPI has stored the incomplete document
        raise
    return document


def _complete(document: Json, app: FastAPI, settings: Settings) -> None:
    document["servers"] = [{"url": ADDRESS}]
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in _problem_schemas(document).items():
        schemas.setdefault(name, schema)
    for name, found in examples_with_nulls(app).items():
        if name in schemas:
            schemas[name]["examples"] = found
    simplify(document)
    document_schemes(document)
    examples = Examples(schemas)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(operation, examples, settings)
            operation["x-codeSamples"] = code_samples(method, path, operation)


def _problem_schemas(document: Json) -> Json:
    """Return the schemas of problem documents, which FastAPI omits as no route declares one as response model. Replace
    those that stand in a response by references."""
    general = ProblemDetails.model_json_schema(ref_template=REFERENCE)
    found = [general, *_taken_from_responses(document)]
    schemas: Json = {}
    for schema in found:
        schemas |= schema.pop("$defs", {}) | {schema["title"]: schema}
    for schema in found:
        _omit_nulls(schema)
        item = schema["properties"]["errors"]["items"]["$ref"].rpartition("/")[2]
        _omit_nulls(schemas[item])
    return schemas


def _taken_from_responses(document: Json) -> Iterator[Json]:
    for operations in document["paths"].values():
        for operation in operations.values():
            for response in operation["responses"].values():
                media = response.get("content", {}).get(PROBLEM_MEDIA_TYPE, {"schema": {"$ref": ""}})
                if "$ref" not in media["schema"]:
                    yield media["schema"]
                    media["schema"] = {"$ref": REFERENCE.format(model=media["schema"]["title"])}


def _omit_nulls(schema: Json) -> None:
    """Document that members of an error are absent rather than null."""
    for name, member in schema["properties"].items():
        schema["properties"][name] = without_null(member)
        schema["properties"][name].pop("default", None)


def _complete_operation(operation: Json, examples: Examples, settings: Settings) -> None:
    _split_docstring(operation)
    document_access(operation)
    document_parameters(operation.get("parameters", []), examples)
    if body := operation.get("requestBody"):
        _document_body(body, settings)
        examples.add_to(body["content"])
        operation["responses"].setdefault("415", deepcopy(_UNSUPPORTED))["headers"] = _ENCODINGS
    operation["responses"] = dict(sorted(operation["responses"].items()))
    for status, response in operation["responses"].items():
        _document_response(status, response, examples)
    if operation.get("deprecated"):
        _document_deprecation(operation)


def _document_deprecation(operation: Json) -> None:
    since, sunset = operation["x-deprecated-since"], operation["x-sunset"]
    announcement = f"Deprecated since {since}. May be removed on {sunset} or later."
    operation["description"] = f"{announcement}\n\n{operation['description']}"
    for response in operation["responses"].values():
        response["headers"] = {**response["headers"], **_DEPRECATED}


def _split_docstring(operation: Json) -> None:
    """Use the first line of the route's docstring as the summary and the rest as the description."""
    docstring = str(operation.get("description", operation["summary"]))
    summary, _, description = docstring.partition("\n")
    operation["summary"] = summary.rstrip(".")
    operation["description"] = description.strip()


def _document_body(body: Json, settings: Settings) -> None:
    setting = body.pop("x-limit-setting", "MAX_BODY_BYTES")
    body["x-max-bytes"] = settings.value_of(setting)
    body["description"] = f"At most {body['x-max-bytes']:,} bytes (`{setting}`); larger bodies are rejected with 413."


def _document_response(status: str, response: Json, examples: Examples) -> None:
    content = response.get("content", {})
    if response["description"] == "Successful Response":
        response["description"] = _DESCRIPTIONS.get(status) or examples.description_of(content) or "Success."
    response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
    if status < "4":
        response["headers"] |= NO_STORE  # errors have it, too, as the API's description states
    if PROBLEM_MEDIA_TYPE in content:
        content[PROBLEM_MEDIA_TYPE] |= content.pop("application/json", {})  # where FastAPI documents any model
    for media in content.values():
        media.get("schema", {}).pop("title", None)  # FastAPI derives it from the function's name
    examples.add_to(content)
