"""`python -m core openapi`: writes the files that are generated from the code.

They are the OpenAPI document, a baseline of it for each version of the API, and the pages of settings.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from core.app import create_app
from core.cli import settings as settings_pages
from core.command import Command
from core.registry import discover
from core.settings import Settings
from core.version import VERSION

ROOT = Path(__file__).parents[2]

COMMAND = "python -m core openapi"


def written(document: dict[str, Any]) -> str:
    """Return the document as JSON in a reproducible format."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def current_file(root: Path = ROOT) -> Path:
    """Return the path of the current document."""
    return root / "openapi.json"


def baseline_file(version: str, root: Path = ROOT) -> Path:
    """Return the path of a version's baseline: the document as of the version's first release. Later changes of the
    same version must not break clients of the baseline."""
    return root / "docs" / "openapi" / f"{version}.json"


def write_files(document: dict[str, Any], root: Path = ROOT) -> list[Path]:
    """Write the document, and its baseline if the version has none. Return the files written."""
    baseline = baseline_file(document["info"]["version"], root)
    files = [current_file(root), *([] if baseline.exists() else [baseline])]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written(document), encoding="utf-8")
    return files


def generated() -> dict[str, Any]:
    """Return the document of the service with all modules and default settings."""
    modules = discover()
    defaults = [module.settings.model_construct() for module in modules if module.settings]
    return create_app(Settings.model_construct().with_parts(*defaults), modules).openapi()


async def _refresh(_: argparse.Namespace) -> str:
    files = [*write_files(generated(), ROOT), *settings_pages.write_files(ROOT)]
    names = ", ".join(str(file.relative_to(ROOT)) for file in files)
    return f"Wrote {names}. The version is {VERSION}: a change that breaks clients needs a new version."


command = Command(
    name="openapi",
    help="write openapi.json, its baseline if the version is new, and the pages of settings",
    add_arguments=lambda _: None,
    run=_refresh,
    database=False,
)
