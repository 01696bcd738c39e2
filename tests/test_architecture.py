"""The import rules hold, and a violation of each rule is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]


def lint_imports(folder: Path) -> "subprocess.CompletedProcess[str]":
    program = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


def test_the_import_rules_hold() -> None:
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout
    assert "8 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("core/clock.py", "import modules.auth", "Core never imports modules"),
        ("modules/students/service.py", "import modules.auth.service", "A module uses another only"),
        ("modules/students/models.py", "import modules.students.schemas", "Inside a module"),
        ("modules/students/schemas.py", "import modules.students.service", "Inside a module"),
        ("modules/students/service.py", "import modules.students.router", "Inside a module"),
        ("modules/students/service.py", "import fastapi", "Only routers and responses know"),
        ("modules/auth/models.py", "import starlette", "Only routers and responses know"),
        ("modules/students/schemas.py", "import fastapi", "Only routers and responses know"),
        ("modules/students/records/store.py", "import starlette", "Only routers and responses know"),
        ("modules/transfers/imports/import_job.py", "import fastapi", "Only routers and responses know"),
        ("modules/auth/commands.py", "import fastapi", "Only routers and responses know"),
        ("core/conflicts.py", "import fastapi", "Only routers and responses know"),
        ("core/database/bulk.py", "import starlette", "Only routers and responses know"),
        ("core/metrics/requests.py", "import starlette", "Only routers and responses know"),
        ("core/cli/check.py", "import fastapi", "Only routers and responses know"),
        ("core/settings.py", "import core.database", "Core: each package imports only"),
        ("core/database/bulk.py", "import core.api.etag", "Core: each package imports only"),
        ("core/api/etag.py", "import core.routing.router", "Core: each package imports only"),
        ("core/pages/docs.py", "import core.operations.health", "Core: each package imports only"),
        ("modules/auth/service.py", "import motor", "Only core.database.client knows Motor"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_found(tmp_path: Path, file: str, line: str, rule: str) -> None:
    copy_source(tmp_path)
    with (tmp_path / file).open("a") as source:
        source.write(f"\n{line}\n")

    done = lint_imports(tmp_path)

    assert done.returncode == 1
    assert rule in done.stdout.partition("Broken contracts")[2]


def test_a_cycle_between_modules_is_found(tmp_path: Path) -> None:
    copy_source(tmp_path)
    for module, other in (("auth", "students"), ("students", "auth")):
        with (tmp_path / "modules" / module / "router.py").open("a") as source:
            source.write(f"\nimport modules.{other}\n")

    done = lint_imports(tmp_path)

    assert done.returncode == 1
    assert "No cycles between modules" in done.stdout.partition("Broken contracts")[2]


def copy_source(folder: Path) -> None:
    for name in ("core", "modules"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
