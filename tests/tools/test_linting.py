"""The API's document in other tools: Spectral finds no fault in it, and Postman makes a collection of it."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cli.openapi import current_file
from tests.tools.npm import install

pytestmark = pytest.mark.process

Json = dict[str, Any]

RULES = {"extends": ["spectral:oas"]}

# What Spectral reports and we leave as it is, with the reason: a rule and its message, without the name of the role.
EXCEPTIONS = {
    ("info-contact", 'Info object must have "contact" object.'): "The people to ask are those of each school.",
    (
        "oas3-operation-security-defined",
        "must be listed among scopes.",
    ): "The roles of a bearer token, which OpenAPI 3.1 allows for schemes without scopes.",
}


@pytest.fixture(scope="module")
def spectral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("spectral"), "@stoplight/spectral-cli@6.16.3") / "spectral"


def complaints(spectral: Path, document: Path) -> list[Json]:
    rules = spectral.parent / "rules.json"
    rules.write_text(json.dumps(RULES), encoding="utf-8")
    command: list[str | Path] = [spectral, "lint", document, "--ruleset", rules, "--format", "json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found: list[Json] = json.loads(done.stdout)
    return found


def test_spectral_finds_nothing(spectral: Path) -> None:
    found = {(one["code"], re.sub('^"[a-z]+" ', "", one["message"])) for one in complaints(spectral, current_file())}
    assert found == EXCEPTIONS.keys()


def test_spectral_finds_a_mistake(spectral: Path, tmp_path: Path) -> None:
    document = json.loads(current_file().read_text(encoding="utf-8"))
    del document["paths"]["/students"]["get"]["operationId"]
    changed = tmp_path / "openapi.json"
    changed.write_text(json.dumps(document), encoding="utf-8")
    assert "operation-operationId" in {one["code"] for one in complaints(spectral, changed)}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The collection that Postman makes of the document, with its examples."""
    folder = tmp_path_factory.mktemp("postman")
    program = install(folder, "openapi-to-postmanv2@6.3.3") / "openapi2postmanv2"
    written = folder / "collection.json"
    options: list[str | Path] = ["-o", written, "-O", "parametersResolution=Example"]
    subprocess.run([program, "-s", current_file(), *options], check=True, capture_output=True, timeout=120)
    made: Json = json.loads(written.read_text(encoding="utf-8"))
    return made


def requests(items: list[Json]) -> Iterator[tuple[str, str, Json]]:
    """Yield the method, the path and the request of each item, in all folders of a collection."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
        else:
            one = item["request"]
            path = "/".join(f"{{{part[1:]}}}" if part[:1] == ":" else part for part in one["url"]["path"])
            yield one["method"].lower(), f"/{path}", one


def test_postman_makes_a_request_of_each_operation(collection: Json) -> None:
    document = json.loads(current_file().read_text(encoding="utf-8"))
    operations = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert {(method, path) for method, path, _ in requests(collection["item"])} == operations


def test_postman_shows_the_examples_of_bodies(collection: Json) -> None:
    document = json.loads(current_file().read_text(encoding="utf-8"))
    contents = [
        (document["paths"][path][method].get("requestBody", {}).get("content", {}).get("application/json"), one)
        for method, path, one in requests(collection["item"])
    ]
    shown = [(json.loads(one["body"]["raw"]), content["example"]) for content, one in contents if content]
    assert len(shown) > 5
    assert [body for body, _ in shown] == [example for _, example in shown]
