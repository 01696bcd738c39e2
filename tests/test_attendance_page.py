"""`docs/attendance.md` works exactly as written, on a copy of the checkout."""

import re
from pathlib import Path

import pytest

from core.registry import discover
from tests.checkout import copy_checkout, run_python
from tests.processes import ROOT
from tests.test_adding_a_module import normalized, run

pytestmark = pytest.mark.process

PAGE = (ROOT / "docs" / "attendance.md").read_text(encoding="utf-8")

FILES = {file: f"{text}\n" for file, text in re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)\n```", PAGE, re.DOTALL)}
COMMANDS = re.findall(r"```sh\n(.*?)\n```\n+```text\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the checkout with the module as the page shows it."""
    if any(module.name == "attendance" for module in discover()):
        pytest.skip("this checkout has a module attendance already: the page cannot be tested here")
    checkout = copy_checkout(tmp_path_factory.mktemp("checkout"))
    (command, shown), *_ = COMMANDS
    assert normalized(run(checkout, command)) == normalized(shown)
    for file, text in FILES.items():
        assert (checkout / file).exists(), f"{file} was not generated"
        (checkout / file).write_text(text)
    return checkout


def test_the_page_replaces_every_generated_file(written: Path) -> None:
    found = {str(file.relative_to(written)) for file in written.glob("*/attendance/*.py") if file.read_text()}
    assert found == FILES.keys()


def test_the_module_passes_its_tests_and_the_contract(written: Path) -> None:
    _, (command, shown) = COMMANDS
    assert normalized(run(written, command)) == normalized(shown)


@pytest.mark.needs("ruff", "mypy")
@pytest.mark.parametrize("command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_module_passes_the_checks(written: Path, command: list[str]) -> None:
    done = run_python(written, "-m", *command, "modules/attendance", "tests/attendance")
    assert done.returncode == 0, done.stdout
