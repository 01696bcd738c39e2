"""The files and lines that findings name."""

import inspect
import sysconfig
from pathlib import Path
from typing import Any

from tests.processes import ROOT

_LIBRARIES = (sysconfig.get_paths()["stdlib"], str(ROOT / "core"), str(ROOT / "tests" / "direct_client.py"))


def is_own(file: str) -> bool:
    """Return whether a file belongs to a module, and not to core or to a library."""
    return file.endswith(".py") and "site-packages" not in file and not file.startswith(_LIBRARIES)


def place(file: str, line: int) -> str:
    """Return the text for a line of a file."""
    path = Path(file)
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else file}, line {line}"


def place_of_name(file: Path, name: str) -> str:
    """Return the text for the line of a file that assigns a name."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return place(str(file), next((number for number, line in enumerate(lines, 1) if line.startswith(name)), 1))


def place_of(declared: Any) -> str:
    """Return the text for the first line of a class or function, also inside of decorators and `partial`; for an
    object, that of its class."""
    function = inspect.unwrap(getattr(declared, "func", declared))
    if code := getattr(function, "__code__", None):
        return place(code.co_filename, code.co_firstlineno)
    kind = function if isinstance(function, type) else type(function)
    try:
        return place(inspect.getfile(kind), inspect.getsourcelines(kind)[1])
    except (TypeError, OSError):  # it has no file
        return kind.__module__
