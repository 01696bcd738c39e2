"""`python -m core settings`: writes the pages that list all settings, from the classes that declare them."""

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from core.command import Command
from core.module import Module
from core.registry import discover
from core.settings import Settings, variables

ROOT = Path(__file__).parents[2]

COMMAND = "python -m core settings"

_PAGE = f"""\
# Settings

Settings come from the environment or from a file `.env`, of which [.env.example](../.env.example) has every line. A
variable of the environment takes precedence. A value that is not valid, and an unknown name in `.env`, stop the start
with a message that names each of them.

This page is generated from the code: `{COMMAND}`.
"""

_EXAMPLE = f"""\
# Settings with their defaults. Copy this file to `.env` and remove the `#` of the lines that you change. A variable of
# the environment takes precedence. An unknown name in `.env` stops the start. Generated from the code: {COMMAND}
"""


def page(modules: Sequence[Module]) -> str:
    """Return `docs/settings.md`."""
    parts = [_PAGE]
    for title, kind in _sections(modules):
        parts.append(f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n")
        for name, default, meaning in _rows(kind):
            shown = f"`{default}`" if default else "none"
            parts.append(f"| `{name}` | {shown} | {meaning} |\n")
    return "".join(parts)


def example(modules: Sequence[Module]) -> str:
    """Return `.env.example`."""
    parts = [_EXAMPLE]
    for title, kind in _sections(modules):
        parts.append(f"\n# --- {title} ---\n")
        for name, default, meaning in _rows(kind):
            comment = textwrap.fill(meaning, 120, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
            parts.append(f"\n{comment}\n#{name}={default}\n")
    return "".join(parts)


def files(root: Path = ROOT) -> dict[Path, str]:
    """Return the files with the texts that they should have."""
    modules = discover()
    return {root / "docs" / "settings.md": page(modules), root / ".env.example": example(modules)}


def _sections(modules: Sequence[Module]) -> Iterator[tuple[str, type[BaseSettings]]]:
    yield "The service", Settings
    for module in modules:
        if module.settings:
            yield f"The module {module.name}", module.settings


def _rows(kind: type[BaseSettings]) -> Iterator[tuple[str, str, str]]:
    """Yield the variable of each setting, its default as it is written in `.env`, and its meaning in one line."""
    for variable, name in variables(kind).items():
        field = kind.model_fields[name]
        yield variable, _written(field.default), " ".join((field.description or "").split())


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(":".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)
    return str(value)


def write_files(root: Path = ROOT) -> list[Path]:
    """Write the files whose texts are not up to date, and return them."""
    old = {file: text for file, text in files(root).items() if not file.exists() or file.read_text("utf-8") != text}
    for file, text in old.items():
        file.write_text(text, encoding="utf-8")
    return list(old)


async def _refresh(_: argparse.Namespace) -> str:
    return f"Wrote {', '.join(str(file.relative_to(ROOT)) for file in write_files()) or 'nothing: no setting changed'}."


command = Command(
    name="settings",
    help="write docs/settings.md and .env.example",
    add_arguments=lambda _: None,
    run=_refresh,
    database=False,
)
