"""App processes that use an embedded database, for tests that start and kill them."""

import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, until


class App:
    """A process that uses the server of a data folder."""

    def __init__(self, data: Path, output: Path, *options: str, grace: float = 0.3) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.core.embedded_app", str(data), str(grace), *options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=file,
            )

    @property
    def lines(self) -> list[str]:
        """The complete lines that the process has printed."""
        return self._output.read_text().split("\n")[:-1]

    def url(self) -> str:
        """Wait until the server is ready, and return its URL."""
        return until(lambda: self.lines or self._assert_alive())[0]

    def _assert_alive(self) -> list[str]:
        assert self.process.poll() is None, "the app ended before its server was up"
        return []

    def stop(self) -> None:
        self.process.communicate(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)
