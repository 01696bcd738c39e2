"""Programs that are made out of the API's document: they compile, and they work."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.cli.openapi import current_file
from tests.servers import Server
from tests.tools.npm import install
from tests.tools.school import ADMIN, PASSWORD, school

pytestmark = pytest.mark.process

USES_TYPES = Path(__file__).with_name("uses_types.ts")

# What the generator does not know it is told to take for plain bytes.
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


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A folder with `api.ts`, generated, and the TypeScript compiler."""
    folder = tmp_path_factory.mktemp("typescript")
    programs = install(folder, "openapi-typescript@7.13.0", "typescript@5.9.3")
    generator, document = programs / "openapi-typescript", current_file()
    subprocess.run([generator, document, "-o", folder / "api.ts"], check=True, capture_output=True, timeout=120)
    return SimpleNamespace(folder=folder, compiler=programs / "tsc")


def compile_strictly(types: SimpleNamespace, program: str) -> str:
    """What the compiler complains of."""
    (types.folder / "uses_types.ts").write_text(program, encoding="utf-8")
    command = [types.compiler, "--strict", "--noEmit", "--target", "es2022", "--lib", "es2022", "uses_types.ts"]
    done = subprocess.run(command, cwd=types.folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout


def test_a_typescript_program_compiles_against_the_types(types: SimpleNamespace) -> None:
    assert compile_strictly(types, USES_TYPES.read_text(encoding="utf-8")) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('roll_no: "S101"', "roll_no: 101"),
        ("math: 91", 'math: "A"'),
        ("student.branch", "student.brunch"),
        ("parameters: { roll_no", "parameters: { rol_no"),
    ],
)
def test_a_typescript_program_with_a_mistake_does_not(types: SimpleNamespace, right: str, wrong: str) -> None:
    program = USES_TYPES.read_text(encoding="utf-8")
    assert right in program
    assert "error TS" in compile_strictly(types, program.replace(right, wrong))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with school(tmp_path_factory.mktemp("school")) as server:
        yield server


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets `school_client` be imported: the package that openapi-python-client makes, whole."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    package = tmp_path / "school_client"
    options = ["--meta", "none", "--fail-on-warning", "--config", str(config), "--output-path", str(package)]
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(current_file()), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def module(name: str) -> Any:
    return importlib.import_module(f"school_client.{name}")


@pytest.mark.needs("openapi_python_client")
@pytest.mark.usefixtures("generated")
def test_every_module_of_the_python_client_can_be_imported() -> None:
    folder = Path(module("client").__file__).parent
    names = [".".join(file.relative_to(folder).with_suffix("").parts) for file in folder.rglob("*.py")]
    assert len([name for name in names if name.startswith("api.")]) > 40
    for name in names:
        module(name.removesuffix(".__init__"))


@pytest.mark.needs("openapi_python_client")
@pytest.mark.usefixtures("generated")
def test_the_python_client_signs_in_and_keeps_a_student(served: Server) -> None:
    models = module("models")
    form = models.SignIn(username=ADMIN, password=PASSWORD)
    with module("client").Client(base_url=served.url) as stranger:
        token = module("api.auth.auth_login").sync(client=stranger, body=form).access_token
    with module("client").AuthenticatedClient(base_url=served.url, token=token) as client:
        keep_a_student(client, models)


def keep_a_student(client: Any, models: Any) -> None:
    marks = models.StudentCreateMarks.from_dict({"math": 91.5})
    new = models.StudentCreate(roll_no="S101", name="Asha Rao", branch="Physics", marks=marks)
    created = module("api.students.students_create").sync_detailed(client=client, body=new)
    assert (created.status_code, created.headers["Location"]) == (201, "/students/S101")

    (student,) = module("api.students.students_list").sync(client=client)
    assert (student.name, student.marks.to_dict()) == ("Asha Rao", {"math": 91.5})

    for where, found in (["marks.math>=91.5|missing=art"], [student]), (["marks.math<91.5", "branch=Physics"], []):
        assert module("api.students.students_list").sync(client=client, where=where) == found

    deleted = module("api.students.students_delete").sync_detailed("S101", client=client)
    assert deleted.status_code == 204
    gone = module("api.students.students_get").sync("S101", client=client)
    assert (gone.status, gone.title) == (404, "Student not found")
