"""Run `python -m core` as in a terminal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
        """Write a file in the folder."""
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    @contextmanager
    def begin(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Start a command without waiting for it, and kill it at the end of the context."""
        with subprocess.Popen(
            [sys.executable, "-m", "core", *arguments],
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (a shell may have it ignored)
        ) as process:
            try:
                yield process
            finally:
                process.kill()

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
