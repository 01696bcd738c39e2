"""The API's document is valid OpenAPI 3.1, and its examples fit their schemas."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.cli.openapi import current_file

Json = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Json:
    document: Json = json.loads(current_file().read_text(encoding="utf-8"))
    return document


@pytest.mark.needs("openapi_spec_validator")
def test_the_document_is_valid(document: Json) -> None:
    validator = importlib.import_module("openapi_spec_validator")
    validator.OpenAPIV31SpecValidator(document).validate()
    broken = document | {"paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(validator.OpenAPIV31SpecValidator(broken).iter_errors())


def shown(document: Json) -> Iterator[tuple[str, Json, Any]]:
    """Each example with its schema, and where it stands."""
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            yield name, schema, example
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for described in _described(operation):
                yield f"{method} {path}", described["schema"], described["example"]


def _described(operation: Json) -> Iterator[Json]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for answer in bodies:
        yield from answer.get("headers", {}).values()
        for content in answer.get("content", {}).values():
            if "example" in content:
                yield content
            for example in content.get("examples", {}).values():
                yield {"schema": content["schema"], "example": example["value"]}
    yield from operation.get("parameters", ())


@pytest.mark.needs("jsonschema")
def test_every_example_fits_its_schema(document: Json) -> None:
    jsonschema = importlib.import_module("jsonschema")
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    wrong = []
    for count, (where, schema, example) in enumerate(shown(document), 1):  # noqa: B007  # looked at below
        whole = schema | {"components": document["components"]}
        errors = jsonschema.Draft202012Validator(whole, format_checker=checker).iter_errors(example)
        wrong += [f"{where}: {error.message}" for error in errors]
    assert wrong == []
    assert count > 500
