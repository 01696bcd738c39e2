"""The files of a new module: generated from the template, and written atomically."""

import ast
import builtins
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from core.cli.new_module.names import Names
from core.command import CommandError

TEMPLATE = Path(__file__).parent / "template"
PLACES = ("modules", "tests")
PARTS = ("reference", "job", "settings", "command", "migration")
"""What a new module can have besides records and routes.

In the template, each line that belongs to a part ends with `# with PART`, and each line that the part replaces with
`# without PART`. A file whose first line is `# with PART` belongs to the part as a whole.
"""

_CONDITION = re.compile(r" *# (with|without) (\w+)$")


def write_module(names: Names, root: Path, parts: Collection[str] = ()) -> None:
    """Write `modules/NAME` and `tests/NAME`, with some of `PARTS`, below `root`. Raise `CommandError` on failure; then
    nothing is written."""
    files = _template(parts)
    _check_is_free(names, root, files.values())
    try:
        with _draft(names, root, files) as draft:
            _move(draft, names, root)
    except OSError as error:
        raise CommandError(f"Nothing was written: {error.strerror}: {error.filename}") from error


def _template(parts: Collection[str]) -> dict[str, str]:
    """Return the texts of the template's files with these parts, by their paths."""
    texts = {file: file.read_text(encoding="utf-8") for file in sorted(TEMPLATE.rglob("*.py"))}
    chosen = {str(file.relative_to(TEMPLATE)): _with_parts(text, parts) for file, text in texts.items()}
    return {file: text for file, text in chosen.items() if text is not None}


def _with_parts(text: str, parts: Collection[str]) -> str | None:
    """Return the text of a file with these parts only; None if the whole file belongs to another one."""
    first, _, rest = text.partition("\n")
    if found := _CONDITION.fullmatch(first):
        return _with_parts(rest, parts) if found[2] in parts else None
    kept = []
    for line in text.splitlines():
        condition = _CONDITION.search(line)
        if condition is None:
            kept.append(line)
        elif (condition[2] in parts) == (condition[1] == "with"):
            kept.append(line[: condition.start()])
    return "".join(f"{line}\n" for line in kept)


def _check_is_free(names: Names, root: Path, texts: Iterable[str]) -> None:
    for place in PLACES:
        if (root / place / names.plural).exists() or (root / place / f"{names.plural}.py").exists():
            raise CommandError(f"{place}/{names.plural} already exists. Choose another name.")
    if names.type_name in _identifiers(texts):
        raise CommandError(
            f"The generated code uses the name {names.type_name!r} itself. Choose another --singular, such as "
            f"school_{names.singular}."
        )


def _identifiers(texts: Iterable[str]) -> set[str]:
    """Return the names that a record's class must not have: those that the template imports, and Python's built-ins."""
    trees = [ast.parse(text) for text in texts]
    imported = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.alias)}
    return imported | set(dir(builtins))


@contextmanager
def _draft(names: Names, root: Path, files: Mapping[str, str]) -> Iterator[Path]:
    """Write the module to a temporary folder below `root`, on the same file system, so that it can be moved."""
    draft = Path(tempfile.mkdtemp(prefix=".new-module-", dir=root))
    try:
        for file, text in files.items():
            target = draft / names.put_into(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(names.put_into(text), encoding="utf-8")
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
