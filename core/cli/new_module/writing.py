"""The files of a new module: generated from the template, and written atomically."""

import ast
import builtins
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.cli.new_module.names import Names
from core.command import CommandError

TEMPLATE = Path(__file__).parent / "template"
PLACES = ("modules", "tests")


def write_module(names: Names, root: Path) -> None:
    """Write `modules/NAME` and `tests/NAME` below `root`. Raise `CommandError` on failure; then nothing is written."""
    _check_is_free(names, root)
    try:
        with _draft(names, root) as draft:
            _move(draft, names, root)
    except OSError as error:
        raise CommandError(f"Nothing was written: {error.strerror}: {error.filename}") from error


def _check_is_free(names: Names, root: Path) -> None:
    for place in PLACES:
        if (root / place / names.plural).exists() or (root / place / f"{names.plural}.py").exists():
            raise CommandError(f"{place}/{names.plural} already exists. Choose another name.")
    if names.type_name in _identifiers():
        raise CommandError(
            f"The generated code uses the name {names.type_name!r} itself. Choose another --singular, such as "
            f"school_{names.singular}."
        )


def _identifiers() -> set[str]:
    """Return the names that a record's class must not have: those that the template imports, and Python's built-ins."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in TEMPLATE.rglob("*.py")]
    imported = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.alias)}
    return imported | set(dir(builtins))


@contextmanager
def _draft(names: Names, root: Path) -> Iterator[Path]:
    """Write the module to a temporary folder below `root`, on the same file system, so that it can be moved."""
    draft = Path(tempfile.mkdtemp(prefix=".new-module-", dir=root))
    try:
        for file in sorted(TEMPLATE.rglob("*.py")):
            target = draft / names.put_into(str(file.relative_to(TEMPLATE)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(names.put_into(file.read_text(encoding="utf-8")), encoding="utf-8")
        yield draft
    finally:
        shutil.rmtree(draft)


def _move(draft: Path, names: Names, root: Path) -> None:
    """Move both folders to their places. After an error or Ctrl-C, remove those already moved."""
    moved: list[Path] = []
    try:
        for place in PLACES:
            target = root / place / names.plural
            (draft / place / names.plural).rename(target)
            moved.append(target)
    except BaseException:
        for target in moved:
            shutil.rmtree(target)
        raise
