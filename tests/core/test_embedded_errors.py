"""Tests of the choice of mongod, and of the error messages when no embedded server can run.

The programs here are scripts that fail with the messages of the system's loader or of mongod.
"""

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from core.database.embedded import (
    Mongod,
    address,
    data_folder,
    find_mongod,
    mongod_binary,
    replica_set,
    run_embedded,
    supervisor_client,
)
from core.database.embedded.data_folder import make_private
from core.database.embedded.failure_messages import explain
from core.errors import StartupError
from tests.processes import kill, running, until

pytestmark = pytest.mark.process

NO_LIBCURL = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
NO_LZMA = "mongod: error while loading shared libraries: liblzma.so.5: cannot open shared object file"
OLD_GLIBC = "mongod: /lib/libc.so.6: version `GLIBC_2.34' not found (required by mongod)"


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a program. It runs one shell command for `--version`, and another otherwise."""

    def make(run: str = "exit 0", *, version: str = "echo db version v6.0.5", name: str = "mongod") -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then {version}; exit; fi\n{run}\n')
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, ModuleSpec]:
    """Hide the mongod on PATH and in the wheel. A test adds installed modules to the returned mapping."""
    specs: dict[str, ModuleSpec] = {}
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(importlib.util, "find_spec", specs.get)
    return specs


def installed(location: Path) -> ModuleSpec:
    spec = ModuleSpec(location.name, None, is_package=True)
    spec.submodule_search_locations = [str(location)]
    return spec


def run(mongod: Path, data: Path, *, timeout: float = 10.0) -> None:
    async def main() -> None:
        async with run_embedded(Mongod(mongod, "6.0.5"), data, grace=0.1, start_timeout=timeout):
            raise AssertionError("it started")

    try:
        asyncio.run(main())
    finally:
        until(lambda: not running(data), within=15)


# The choice of the program


def test_no_mongod_is_found(nothing_installed: dict[str, ModuleSpec], tmp_path: Path) -> None:
    assert find_mongod(None, tmp_path) is None


def test_the_given_program_comes_first(
    nothing_installed: dict[str, ModuleSpec],
    script: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(script().parent))
    given = script(version="echo db version v7.0.28", name="given")
    assert find_mongod(given, tmp_path) == Mongod(given, "7.0.28")
    assert find_mongod(None, tmp_path) == Mongod(tmp_path / "bin" / "mongod", "6.0.5")


def test_the_wheel_comes_last(
    nothing_installed: dict[str, ModuleSpec],
    script: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = tmp_path / "fiftyone" / "db" / "bin" / "mongod"
    program.parent.mkdir(parents=True)
    script().rename(program)
    nothing_installed["fiftyone"] = installed(tmp_path / "fiftyone")
    assert find_mongod(None, tmp_path) == Mongod(program, "6.0.5")
    monkeypatch.setenv("PATH", str(script(version="echo db version v3.2.1").parent))
    assert find_mongod(None, tmp_path) == Mongod(program, "6.0.5"), "an unsuitable program is skipped"
    assert "MongoDB 3.2" in caplog.text
    program.unlink()
    with pytest.raises(StartupError, match=r"5\.0"):
        find_mongod(None, tmp_path)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("echo hello", "is not a mongod"),
        ("echo db version v4.4.1", r"4\.4.*5\.0"),
        (f'echo "{NO_LZMA}" >&2; exit 127', r"liblzma\.so\.5"),
        ('echo "' + OLD_GLIBC.replace("`", "\\`") + '" >&2; exit 1', r"\(GLIBC_2\.34\).*Ubuntu 22\.04"),
        ("kill -ILL $$", "AVX"),
    ],
)
def test_a_given_program_that_does_not_run_is_refused(
    script: Callable[..., Path], tmp_path: Path, version: str, expected: str
) -> None:
    with pytest.raises(StartupError, match=expected):
        find_mongod(script(version=version), tmp_path)


def test_a_given_program_that_is_not_executable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"\x7fELF garbage")
    (tmp_path / "garbage").chmod(0o755)
    with pytest.raises(StartupError, match=r"MONGOD_BIN is .*/absent"):
        find_mongod(tmp_path / "absent", tmp_path)
    with pytest.raises(StartupError, match="garbage"):
        find_mongod(tmp_path / "garbage", tmp_path)


def test_a_given_program_that_does_not_answer_is_refused(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongod_binary, "_VERSION_TIMEOUT", 0.1)
    with pytest.raises(StartupError, match="timed out"):
        find_mongod(script(version="exec sleep 5"), tmp_path)


# libcurl

# Behaves like the loader: it needs the link, and the folder with the libraries that libcurl depends on.
NEEDS_LIBCURL = f"""
    first=${{LD_LIBRARY_PATH%%:*}}; rest=${{LD_LIBRARY_PATH#*:}}
    if [ -e "$first/libcurl.so.4" ] && [ -e "${{rest%%:*}}/libssl-1.so.3" ]; then echo db version v6.0.5
    else echo "{NO_LIBCURL}" >&2; exit 127; fi"""


def install_fake_pycurl(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pip's record list a pycurl with two libraries."""
    names = ("pycurl.libs/libcurl-330bcbb6.so.4.8.0", "pycurl.libs/libssl-1.so.3", "pycurl.so")
    files = [importlib.metadata.PackagePath(name) for name in names]
    (site / "pycurl.libs").mkdir(parents=True, exist_ok=True)
    for file in files:
        file.dist = importlib.metadata.PathDistribution(site / "pycurl.dist-info")
        (site / file).touch()
    monkeypatch.setattr(importlib.metadata, "files", lambda _: files)


def no_pycurl(name: str) -> None:
    raise importlib.metadata.PackageNotFoundError(name)


def test_libcurl_is_taken_from_pycurl(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/elsewhere")
    data = tmp_path / "data"
    program = script(version=NEEDS_LIBCURL)
    for site in (tmp_path / "site", tmp_path / "moved"):
        install_fake_pycurl(site, monkeypatch)
        mongod = find_mongod(program, data)
        assert mongod is not None
        assert mongod.environment == {"LD_LIBRARY_PATH": f"{data}/lib:{site}/pycurl.libs:/elsewhere"}
        assert (data / "lib" / "libcurl.so.4").resolve().parent.parent == site
    assert [path.name for path in (data / "lib").iterdir()] == ["libcurl.so.4"]
    assert stat.S_IMODE((data / "lib").stat().st_mode) == 0o700


def test_an_installed_library_is_not_replaced(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_fake_pycurl(tmp_path / "site", monkeypatch)
    mongod = find_mongod(script(), tmp_path / "data")
    assert mongod is not None
    assert mongod.environment == {}
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("pycurl", ["absent", "without record", "without libraries", "without OpenSSL"])
def test_a_missing_libcurl_is_reported_if_pycurl_has_none_either(
    script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pycurl: str
) -> None:
    if pycurl == "without OpenSSL":
        install_fake_pycurl(tmp_path, monkeypatch)
        (tmp_path / "pycurl.libs" / "libssl-1.so.3").unlink()
    else:
        answer: Callable[[str], Any] = {
            "absent": no_pycurl,
            "without record": lambda _: None,
            "without libraries": lambda _: [],
        }[pycurl]
        monkeypatch.setattr(importlib.metadata, "files", answer)
    with pytest.raises(StartupError, match="apt-get install libcurl4"):
        find_mongod(script(version=NEEDS_LIBCURL), tmp_path / "data")


# The data folder


@pytest.mark.parametrize("path", ["file", "file/below", "loop"])
def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StartupError, match="DATA_DIR"):
        data_folder.prepare(tmp_path / path, "6.0")


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(StartupError, match="DATA_DIR"):
        data_folder.prepare(Path("/proc/data"), "6.0")


def test_a_relative_path_and_a_link_mean_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("data")
    assert data_folder.prepare(Path("data"), "6.0") == data_folder.prepare(tmp_path / "link", "6.0")


def test_the_socket_is_in_the_data_folder_if_its_path_is_suitable(tmp_path: Path) -> None:
    assert address.socket_path(Path("/srv/my data")) == Path("/srv/my data/m.sock")
    assert address.socket_path(Path("/srv/Schüler")).parent.parent != Path("/srv")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(StartupError, match=r"\b3 MB.*\b100\b"):
        data_folder.prepare(tmp_path, "6.0")


def test_data_of_another_series_is_never_ignored(tmp_path: Path) -> None:
    data_folder.prepare(tmp_path, "7.0")
    data_folder.prepare(tmp_path, "6.0")  # allowed, because no data was written
    (tmp_path / "mongodb-7.0" / "WiredTiger").touch()
    with pytest.raises(StartupError, match=r"7\.0.*MONGOD_BIN.*7\.0"):
        data_folder.prepare(tmp_path, "6.0")
    (tmp_path / "mongodb-6.0" / "WiredTiger").touch()
    assert data_folder.prepare(tmp_path, "6.0").data == tmp_path / "mongodb-6.0"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a temporary folder with a path short enough for a socket (108 bytes on Linux); pytest's may be longer."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


@pytest.mark.parametrize("in_the_way", ["file", "link", "open", "nowhere", "long"])
def test_a_socket_folder_that_is_not_private_is_refused(
    short_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_way: str
) -> None:
    temporary = {"nowhere": short_path / "absent", "long": short_path / ("t" * 80)}.get(in_the_way, short_path)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(temporary))
    root = Path("/" + "d" * 120)
    if in_the_way == "long":
        temporary.mkdir()
    elif in_the_way != "nowhere":
        place = address.socket_path(root).parent
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        place.rmdir()
        {"file": place.touch, "link": lambda: place.symlink_to(short_path), "open": place.mkdir}[in_the_way]()
    with pytest.raises(StartupError, match=r"socket.*DATA_DIR"):
        address.socket_path(root)


def test_a_socket_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    assert address._ours_alone(tmp_path.stat())
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert not address._ours_alone(tmp_path.stat())


# Failures of mongod at its start


def logged(severity: str, message: str, error: str = "") -> str:
    entry = {"s": severity, "msg": message, "attr": {"error": error} if error else {}}
    return f"echo '{json.dumps(entry)}'"


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (f'echo "{NO_LIBCURL}" >&2; exit 127', "apt-get install libcurl4"),
        ("kill -ILL $$", "AVX"),
        (logged("E", "write failed", "28: No space left on device") + "; exit 14", "no space left"),
        (logged("E", "Failed to unlink socket file") + "; exit 14", "socket.*DATA_DIR"),
        (logged("E", "terminating", "DBPathInUse: locked") + "; exit 100", "Another mongod"),
        (logged("F", "Wrong mongod version") + "; exit 62", "MONGOD_BIN"),
        (logged("E", "open", "13: Permission denied") + "; exit 1", "data folder"),
        (logged("F", "run with --repair") + "; exit 14", "damaged"),
        (logged("I", "No space left on device") + "; exit 3", r"status 3: .*No space left"),
        (logged("E", "Odd", "very odd") + ";" + logged("F", "aborting") + "; exit 3", "status 3: Odd: very odd"),
        ("echo what now; exit 3", "status 3: what now"),
        ("echo 3; exit 3", "status 3: 3"),
        ("exit 0", "status 0: no output"),
    ],
)
def test_the_error_explains_the_cause(script: Callable[..., Path], tmp_path: Path, end: str, expected: str) -> None:
    started = time.monotonic()
    with pytest.raises(StartupError, match=expected) as raised:
        run(script(end), tmp_path / "data")
    assert str(tmp_path / "data" / "mongod.log") in str(raised.value)
    assert time.monotonic() - started < 5, "the failure must be reported before the timeout"


def test_mongod_gets_its_environment(script: Callable[..., Path], tmp_path: Path) -> None:
    async def main() -> None:
        mongod = Mongod(script("echo it is $BORROWED; exit 3"), "6.0.5", {"BORROWED": "here"})
        async with run_embedded(mongod, tmp_path / "data", grace=0.1):
            raise AssertionError("it started")

    with pytest.raises(StartupError, match="it is here"):
        asyncio.run(main())
    until(lambda: not running(tmp_path / "data"))


def test_a_program_that_was_removed_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"status 127: .*No such file"):
        run(tmp_path / "absent", tmp_path / "data")


def test_a_supervisor_that_fails_is_reported(script: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "data" / "mongod.pid").mkdir(parents=True)
    with pytest.raises(StartupError, match="IsADirectoryError"):
        run(script(), tmp_path / "data")


@pytest.mark.parametrize("name", ["lease", "supervisor.lock", "mongod.log"])
def test_a_file_that_cannot_be_opened_is_reported(script: Callable[..., Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "data" / name).mkdir(parents=True)
    with pytest.raises(StartupError, match=f"/{name} Is a directory"):
        run(script(), tmp_path / "data")


def test_startup_times_out(script: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(StartupError, match=r"0\.5 seconds.*mongod\.log"):
        run(script("exec sleep 30"), tmp_path / "data", timeout=0.5)


def test_a_killed_mongod_is_retried(script: Callable[..., Path], tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    with pytest.raises(StartupError, match=r"2 seconds.*killed"):
        run(script(f"echo >> {tries}; kill -9 $$"), tmp_path / "data", timeout=2)
    assert len(tries.read_text()) > 1


def test_a_server_that_fails_later_is_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_client, "_CHECK", 0.1)
    data = tmp_path / "data"
    real = find_mongod(None, data)
    assert real is not None
    program = tmp_path / "mongod"
    program.symlink_to(real.path)

    async def main() -> None:
        async with run_embedded(Mongod(program, real.version, real.environment), data, grace=0.1):
            program.unlink()
            kill(*running(data))
            await asyncio.to_thread(until, lambda: caplog.text.count("is being restarted") > 1)

    asyncio.run(main())
    assert "No such file" in caplog.text
    until(lambda: not running(data))


def test_a_folder_writable_by_others_is_refused_and_not_changed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o775)
    with pytest.raises(StartupError, match="chmod go-w"):
        make_private(data)
    assert data.stat().st_mode & 0o777 == 0o775


def test_a_private_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert make_private(tmp_path) == tmp_path.resolve()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_the_watch_continues_after_unexpected_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor_client, "_CHECK", 0.01)
    data = tmp_path / "data"
    mongod = find_mongod(None, data)
    assert mongod is not None

    async def main() -> None:
        async with run_embedded(mongod, data, grace=0.1):
            monkeypatch.setattr(
                supervisor_client.SupervisorClient, "_check", lambda: "a mistake of ours: it takes no arguments"
            )
            await asyncio.to_thread(until, lambda: caplog.text.count("check of the embedded MongoDB failed") > 1)

    asyncio.run(main())
    until(lambda: not running(data))


def test_an_unreachable_server_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_set, "_TIMEOUT_MS", 50)
    assert not asyncio.run(replica_set.is_writable(tmp_path / "m.sock"))


def test_unexpected_errors_of_the_configuration_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Admin:
        async def command(self, _: str) -> None:
            raise OperationFailure("not authorized", 13)

    with pytest.raises(OperationFailure, match="not authorized"):
        asyncio.run(replica_set._configure(Admin(), "/m.sock"))  # type: ignore[arg-type]


def test_the_status_is_reported_if_the_cause_is_unknown() -> None:
    assert explain(-signal.SIGSEGV, "") == "mongod exited with status -11: no output"
    assert explain(1, "[]") == "mongod exited with status 1: []"
