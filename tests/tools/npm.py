"""Packages of npm, by exact version, for tests that prove something with them."""

import shutil
import subprocess
from pathlib import Path

import pytest

# npm gives up after as long, and the network may be slow.
PATIENCE = 300


def install(folder: Path, *packages: str) -> Path:
    """Install packages such as `typescript@5.9.3` into `folder`, and answer with where their programs are. Skips the
    test, and says so, where that cannot be done."""
    if not shutil.which("npm"):
        pytest.skip(f"npm is not installed, so nothing was tried with {', '.join(packages)}")
    command = [
        *("npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder)),
        "--ignore-scripts",  # some compile add-ons that are not needed, with headers from the network
        *packages,
    ]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {', '.join(packages)} within {PATIENCE} seconds")
    if done.returncode:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {done.stderr.strip()[-300:]}")
    return folder / "node_modules" / ".bin"
