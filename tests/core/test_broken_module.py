"""A module that keeps the service from starting stops a run of the tests with one line, not one for each test."""

from pathlib import Path

import pytest

from tests.checkout import copy_checkout, run_python

pytestmark = pytest.mark.process

CONFLICT = """
from core.module import Module
from modules.students import StudentDocument

module = Module(name="zebras", documents=(StudentDocument,))
"""


@pytest.mark.parametrize(
    ("declaration", "processes", "error"),
    [
        ("oats = hay\n", "2", "modules/zebras/__init__.py cannot be imported: NameError: name 'hay' is not defined"),
        (CONFLICT, "0", "the collection students of zebras is also declared by students"),
    ],
)
def test_the_error_is_printed_once(tmp_path: Path, declaration: str, processes: str, error: str) -> None:
    checkout = copy_checkout(tmp_path)
    package = checkout / "modules" / "zebras"
    package.mkdir()
    (package / "__init__.py").write_text(declaration)

    done = run_python(checkout, "-m", "pytest", "-n", processes, "tests/core/test_app.py", "tests/contract")

    printed = done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, printed
    assert [line.partition(error)[0].split(".")[0] for line in printed.splitlines() if error in line] == [
        "ERROR: The service cannot start"
    ], printed
    assert "isolation.py" not in printed, "no traceback"
