"""Clients that are generated from the served document: they compile strictly, and each takes the walk of `clients/`."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server
from tests.tools.npm import install
from tests.tools.school import ADMIN, PASSWORD, school

pytestmark = pytest.mark.process

PATIENCE = 300

CLIENTS = Path(__file__).with_name("clients")

PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "@hey-api/openapi-ts@0.94.0", "typescript@5.9.3")

TSC = [
    *("node_modules/.bin/tsc", "--strict", "--target", "es2022"),
    *("--module", "node16", "--lib", "es2022,dom,dom.iterable"),
]
MYPY = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file="]
OPENAPI_GENERATOR = [sys.executable, "-c", "import openapi_generator_cli; openapi_generator_cli.cli()", "generate"]

TYPESCRIPT_GENERATORS = {
    "openapi_fetch": ["node_modules/.bin/openapi-typescript", "openapi.json", "-o", "api.ts"],
    "hey_api": ["node_modules/.bin/openapi-ts", "-i", "openapi.json", "-o", "hey", "-c", "@hey-api/client-fetch"],
    "openapi_generator": [*OPENAPI_GENERATOR, "-g", "typescript-fetch", "-i", "openapi.json", "-o", "generated"],
}
PYTHON_GENERATORS = {
    "openapi_python_client": [
        *(sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--fail-on-warning"),
        *("--meta", "none", "--config", "config.json", "--output-path", "school_client"),
    ],
    "openapi_generator": [
        *(*OPENAPI_GENERATOR, "-g", "python", "-i", "openapi.json", "-o", "."),
        *("--package-name", "school_client"),
    ],
}
TYPESCRIPT = [
    "openapi_fetch",
    "hey_api",
    pytest.param("openapi_generator", marks=pytest.mark.needs("openapi_generator_cli")),
]
PYTHON = [
    pytest.param("openapi_python_client", marks=pytest.mark.needs("openapi_python_client", "mypy")),
    pytest.param("openapi_generator", marks=pytest.mark.needs("openapi_generator_cli", "dateutil", "mypy")),
]

# What of a program is replaced, and by what, so that it must not compile.
MISTAKES = {
    "{ name };": "{ name: 101 };",
    "student?.marks": "student?.mark",
    "path: { roll_no: rollNo } }": "path: { rol_no: rollNo } }",
    "body: { username, password }": "body: { username }",
}

# What openapi-python-client does not know it is told to take for plain bytes.
CONFIG = {
    "content_type_overrides": {
        "text/csv": "application/octet-stream",
        "application/x-ndjson": "application/octet-stream",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "application/octet-stream",
        "application/vnd.oasis.opendocument.spreadsheet": "application/octet-stream",
        "image/svg+xml": "application/octet-stream",
    },
    "package_name_override": "school_client",
    "post_hooks": [],
}

IMPORT_ALL = """
import importlib, pkgutil, school_client
found = pkgutil.walk_packages(school_client.__path__, "school_client.")
print(len([importlib.import_module(one.name) for one in found]))
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with school(tmp_path_factory.mktemp("school")) as server:
        yield server


def prepare(folder: Path, served: Server, suffix: str) -> None:
    """Put the served document and the programs of the walk into a folder."""
    with served.client() as client:
        (folder / "openapi.json").write_text(client.get("/openapi.json").text, encoding="utf-8")
    for program in CLIENTS.glob(f"*{suffix}"):
        shutil.copy(program, folder)


@pytest.fixture(scope="module")
def typescript(served: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of the walk, the compiler and the generators of npm."""
    folder = tmp_path_factory.mktemp("typescript")
    install(folder, *PACKAGES)
    prepare(folder, served, ".ts")
    return folder


def run(folder: Path, *command: str, **environment: str) -> str:
    """What a program prints, which must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout


def walk(folder: Path, served: Server, branch: str, *command: str) -> Any:
    """What a client meets on its walk."""
    names = {"SCHOOL_URL": served.url, "SCHOOL_USER": ADMIN, "SCHOOL_PASSWORD": PASSWORD, "SCHOOL_BRANCH": branch}
    return json.loads(run(folder, *command, **names))


def met(branch: str) -> dict[str, Any]:
    """What every client must meet, whose students are in a branch of its own."""
    return {
        "created": [{"status": 201, "told": 91.5}, {"status": 201, "told": 60}, {"status": 201, "told": None}],
        "filtered": [f"{branch}1", f"{branch}2"],
        "walked": [[f"{branch}1", f"{branch}2"], [f"{branch}3"]],
        "patched": {"status": 200, "told": "Asha Iyer"},
        "outdated": {"status": 412, "told": None},
        "uploaded": {"status": 201, "told": 1},
        "refused": {"status": 422, "told": "mark_range"},
    }


@pytest.mark.parametrize("client", TYPESCRIPT)
def test_a_typescript_client_compiles_and_works(client: str, typescript: Path, served: Server) -> None:
    run(typescript, *TYPESCRIPT_GENERATORS[client])
    run(typescript, *TSC, f"uses_{client}.ts")
    branch = f"ts-{client}"
    assert walk(typescript, served, branch, "node", f"uses_{client}.js") == met(branch)


def test_a_typescript_program_with_a_mistake_does_not_compile(typescript: Path) -> None:
    run(typescript, *TYPESCRIPT_GENERATORS["openapi_fetch"])
    program = (CLIENTS / "uses_openapi_fetch.ts").read_text(encoding="utf-8")
    files = []
    for number, (right, wrong) in enumerate(MISTAKES.items()):
        assert right in program
        files.append(f"mistaken{number}.ts")
        (typescript / files[-1]).write_text(program.replace(right, wrong), encoding="utf-8")

    with pytest.raises(AssertionError) as failed:
        run(typescript, *TSC, "--noEmit", *files)

    assert set(re.findall(r"(mistaken\d\.ts)\(\d+,\d+\): error TS", str(failed.value))) == set(files)


@pytest.mark.parametrize("client", PYTHON)
def test_a_python_client_passes_mypy_and_works(client: str, served: Server, tmp_path: Path) -> None:
    prepare(tmp_path, served, ".py")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    run(tmp_path, *PYTHON_GENERATORS[client])
    assert int(run(tmp_path, sys.executable, "-c", IMPORT_ALL)) > 50
    run(tmp_path, *MYPY, f"uses_{client}.py")
    branch = f"py-{client}"
    assert walk(tmp_path, served, branch, sys.executable, f"uses_{client}.py") == met(branch)
