"""`docs/adding-a-module.md` works exactly as written, on a copy of the checkout."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli.new_module.command import check_is_free
from core.cli.new_module.names import names_for
from core.module import Module
from core.operations.health import service
from core.registry import discover
from tests import curl_stand_in
from tests.checkout import copy_checkout
from tests.processes import ROOT
from tests.servers import launch

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("without_coverage")]

PAGE = (ROOT / "docs" / "adding-a-module.md").read_text(encoding="utf-8")

SERVE = ".venv/bin/python main.py"
BETWEEN = "\n=== next ===\n"

# What differs in each run.
CHANGING = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
    (r'"request_id":"[0-9a-f]{32}"', "ID"),
    (r"^[.\s]*\[ *\d+%\]\n", ""),
    (r"\d+ (passed|deselected)", r"N \1"),
    (r" in \d+\.\d+s(?: \(.*\))?", " in N s"),
]


@dataclass(frozen=True)
class Step:
    """A code block of the page, which is a shell command or a diff, and the output that the page shows."""

    kind: str
    text: str
    shown: str = ""


def steps() -> list[Step]:
    found = re.findall(r"```(sh|diff)\n(.*?)\n```(?:\n+```(?:json|text)\n(.*?)\n```)?", PAGE, re.DOTALL)
    return [Step(*groups) for groups in found]


def normalized(answer: str) -> str:
    for pattern, name in CHANGING:
        answer = re.sub(pattern, name, answer, flags=re.MULTILINE)
    return answer.strip()


def run(folder: Path, command: str) -> str:
    """Run a command in a shell in that folder, with this Python. Assert that it succeeds, and return its output."""
    script = command.replace(".venv/bin/python", shlex.quote(sys.executable))
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def change(folder: Path, difference: str) -> str:
    done = subprocess.run(
        ["git", "apply", "-"], input=f"{difference}\n", capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, f"{difference}\n{done.stderr}"
    return ""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the checkout. Put the stand-in for curl on the `PATH` if curl is not installed."""
    if not shutil.which("curl"):
        monkeypatch.setenv("PATH", str(curl_stand_in.install(tmp_path / "bin")), prepend=":")
    (tmp_path / "checkout").mkdir()
    copied = copy_checkout(tmp_path / "checkout")
    if any(module.name == "courses" for module in discover()):
        pytest.skip("this checkout has a module courses already: the page cannot be tested here")
    return copied


def test_the_page_works_as_written(checkout: Path) -> None:
    commands = [step.text for step in steps()]
    before, after = steps()[: commands.index(SERVE)], steps()[commands.index(SERVE) + 1 :]
    assert (len(before), len(after)) == (7, 5)

    for step in before:
        answer = run(checkout, step.text) if step.kind == "sh" else change(checkout, step.text)
        assert normalized(answer) == normalized(step.shown), step.text

    (example,) = re.findall(r"```python\n(from tests\.kit .*?)```", PAGE, re.DOTALL)
    (checkout / "tests" / "courses" / "test_page.py").write_text(example)
    assert "2 passed" in run(checkout, ".venv/bin/python -m pytest -q -n 0 tests/courses/test_page.py")

    server = launch(checkout, "main.py")
    try:
        script = f"\nprintf {BETWEEN!r}\n".join(step.text for step in after)
        answers = run(checkout, script.replace("http://127.0.0.1:8000", server.url)).split(BETWEEN)
        with server.client() as client:
            assert client.get("/docs").status_code == 200
    finally:
        server.stop()
    assert [normalized(answer) for answer in answers] == [normalized(step.shown) for step in after]


def test_the_page_names_everything_that_a_module_may_declare() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.partition("\n## What else a module can declare\n")[2]))
    assert set(Module.__dataclass_fields__) - {"name", "description", "router"} <= named


def test_the_name_in_the_page_is_not_taken() -> None:
    names = names_for("courses")
    check_is_free(names, [service, *(module for module in discover() if module.name != "courses")])


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
