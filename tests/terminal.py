"""`python -m core`, as it is typed."""

import os
import subprocess
import sys
from pathlib import Path

from core.settings import Settings
from tests.processes import ROOT


class Terminal:
    """Runs commands against the tests' database, in a folder of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        assert settings.mongodb_url
        self.folder = folder
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MONGODB_URL": settings.mongodb_url.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
            "BCRYPT_COST": "4",
        }

    def write(self, name: str, content: str | bytes) -> None:
        """Make a file in the folder."""
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run a command that is not waited for."""
        command = [sys.executable, "-m", "core", *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True)

    def __call__(self, *arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "core", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done
