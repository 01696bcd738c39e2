"""Run `python -m core` as in a terminal."""

import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import modules
from core.__main__ import main
from core.settings import Settings
from tests.processes import ROOT

_forkserver = multiprocessing.get_context("forkserver")
_forkserver.set_forkserver_preload(
    ["core.__main__", *(f"modules.{module.name}" for module in pkgutil.iter_modules(modules.__path__))]
)


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
        """Run a command to its end, in a process that is forked from one that has imported the service.

        Starting Python and importing the service takes longer than most commands.
        """
        self.write("stdin", typed)
        streams = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        process = _forkserver.Process(target=_run, args=(arguments, self.folder, self.environment, streams))
        process.start()
        process.join()
        assert process.exitcode is not None
        _, stdout, stderr = [stream.read_text() for stream in streams]
        for stream in streams:
            stream.unlink()
        assert "Traceback" not in stderr, stderr
        return subprocess.CompletedProcess(arguments, process.exitcode, stdout, stderr)


def _run(arguments: Sequence[str], folder: Path, environment: dict[str, str], streams: Sequence[Path]) -> None:
    """Run `python -m core` in this process, with files as its standard streams."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    stdin, *outputs = streams
    sys.stdin = stdin.open()
    for stream, output in zip((sys.stdout, sys.stderr), outputs, strict=True):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.exit(main(arguments))
