"""The README is correct: its first walk works as shown, and its tables are complete."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from core.app import create_app
from core.registry import discover
from core.settings import ModuleSettings, Settings
from tests import curl_stand_in
from tests.conftest import settings_of_modules
from tests.processes import ROOT
from tests.servers import launch, serve

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

README = (ROOT / "README.md").read_text(encoding="utf-8")

BETWEEN = "\n=== next ===\n"

# What differs in each run: times, ids and tokens.
CHANGING = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
    (r'"access_token":"[\w.-]+"', "TOKEN"),
    (r'"request_id":\s?"[0-9a-f]{32}"', "ID"),
]


def walk() -> Iterator[tuple[str, str]]:
    """Yield each command of the walk, with the response that the README shows below it."""
    section = README.partition("\n## A first walk\n")[2].partition("\n## ")[0]
    yield from re.findall(r"```sh\n(.*?)\n```\n+```(?:json|text)\n(.*?)\n```", section, re.DOTALL)


def normalized(answer: str) -> str:
    for pattern, name in CHANGING:
        answer = re.sub(pattern, name, answer)
    return answer.strip()


@pytest.fixture(params=["curl", "stand-in"])
def path_with_curl(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "curl":
        if not shutil.which("curl"):
            pytest.skip("curl is not installed: the walk was only tested with a stand-in for it")
        return
    monkeypatch.setenv("PATH", str(curl_stand_in.install(tmp_path / "bin")), prepend=":")


@pytest.mark.usefixtures("path_with_curl")
def test_the_first_walk_works_as_shown(tmp_path: Path) -> None:
    commands, shown = zip(*walk(), strict=True)
    assert len(commands) == 8

    with serve(tmp_path) as server:
        script = f"\nprintf {BETWEEN!r}\n".join(commands).replace("http://127.0.0.1:8000", server.url)
        done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, cwd=tmp_path, check=True)

    assert [normalized(answer) for answer in done.stdout.split(BETWEEN)] == [normalized(answer) for answer in shown]


KINDS: list[type[Settings | ModuleSettings]] = [Settings, *settings_of_modules()]


def test_env_example_contains_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    env = tmp_path / ".env"
    env.write_text(re.sub(r"^#([A-Z0-9_]+=)", r"\1", example, flags=re.MULTILINE))
    defaults = [kind() for kind in KINDS]

    for kind in KINDS:
        monkeypatch.setitem(kind.model_config, "env_file", env)
    assert [kind() for kind in KINDS] == defaults


def test_all_routes_are_in_the_readme() -> None:
    table = README.partition("\n## Routes\n")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`", table)
    ours = ("analytics", "auth", "students", "transfers")
    first_modules = [module for module in discover() if module.name in ours]
    served = {
        f"{method} {route.path_format}"
        for route in iter_route_contexts(create_app(Settings(), first_modules).routes)
        if getattr(route, "include_in_schema", False)
        for method in route.methods or ()
    }

    assert served <= set(named)
    assert set(named) - served == {"GET /docs", "GET /problems"}


def test_the_commands_for_production_start_the_service(settings: Settings, tmp_path: Path) -> None:
    assert settings.mongodb_url
    page = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    section = page.partition("```sh\n")[2].partition("\n```")[0]
    commands = [shlex.split(line, comments=True) for line in section.splitlines()]
    assert [words[-1] for words in commands] == ["migrate", "check", "main.py"]
    (tmp_path / ".env").write_text(
        f"ENVIRONMENT=production\nMONGODB_URL={settings.mongodb_url.get_secret_value()}\n"
        f"MONGODB_DATABASE={settings.mongodb_database}\nMETRICS_TOKEN={'0' * 64}\n"
    )
    for _, *arguments in commands[:2]:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    *given, program, script = commands[2]
    assert program == ".venv/bin/python"
    server = launch(tmp_path, str(ROOT / script), **dict(pair.split("=") for pair in given))
    assert server.stop() == 0
