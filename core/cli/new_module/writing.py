"""A new module's files: made of the template, and put in their places all or not at all."""

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
    """Write `modules/NAME` and `tests/NAME` below `root`. Raises `CommandError`, and then nothing was written."""
    _check_is_free(names, root)
    try:
        with _drafted(names, root) as draft:
            _put_in_place(draft, names, root)
    except OSError as error:
        raise CommandError(f"Nothing was written: {error.strerror}: {error.filename}") from error


def _check_is_free(names: Names, root: Path) -> None:
    for place in PLACES:
        if (root / place / names.plural).exists() or (root / place / f"{names.plural}.py").exists():
            raise CommandError(f"There already is a {place}/{names.plural}. Choose another name.")
    if names.type_name in _identifiers():
        raise CommandError(
            f"The generated code uses the name {names.type_name!r} itself. Give another with --singular, such as "
            f"school_{names.singular}."
        )


def _identifiers() -> set[str]:
    """The names that the template imports, and Python's own, which a record's class must not take."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in TEMPLATE.rglob("*.py")]
    imported = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.alias)}
    return imported | set(dir(builtins))


@contextmanager
def _drafted(names: Names, root: Path) -> Iterator[Path]:
    """The whole module in a folder that is removed afterwards: beside its place, so that it can be moved there."""
    draft = Path(tempfile.mkdtemp(prefix=".new-module-", dir=root))
    try:
        for file in sorted(TEMPLATE.rglob("*.py")):
            target = draft / names.put_into(str(file.relative_to(TEMPLATE)))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(names.put_into(file.read_text(encoding="utf-8")), encoding="utf-8")
        yield draft
    finally:
        shutil.rmtree(draft)


def _put_in_place(draft: Path, names: Names, root: Path) -> None:
    """Move both folders; if the second cannot be moved, or someone presses Ctrl-C, the first is taken back."""
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
