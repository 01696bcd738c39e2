"""Tests of the embedded server's lifetime, with real processes that share it, are killed, and restart."""

import asyncio
import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from core.database.embedded import Embedded, Mongod, find_mongod, run_embedded, supervisor
from core.database.embedded.lease import is_locked
from tests.core.embedded_processes import App
from tests.processes import kill, mongods, running, supervisors, until

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]

StartApp = Callable[..., App]


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """Return a data folder. After the test, assert that no process uses it any more."""
    folder = tmp_path / "data"
    yield folder
    try:
        until(lambda: not running(folder), within=15)
    finally:
        kill(*running(folder))


@pytest.fixture
def app(tmp_path: Path, data: Path) -> Iterator[StartApp]:
    started: list[App] = []

    def start(*options: str, folder: Path = data, grace: float = 0.1) -> App:
        started.append(App(folder, tmp_path / f"output{len(started)}", *options, grace=grace))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def mongod() -> Mongod:
    found = find_mongod(None, Path("unused"))
    assert found is not None
    return found


def use(data: Path, action: Callable[[Embedded], Any] = lambda _: None, *, grace: float = 0.1) -> None:
    """Run an action while this process uses the server."""

    async def main() -> None:
        async with run_embedded(mongod(), data, grace=grace) as embedded:
            done = action(embedded)
            if isinstance(done, Awaitable):
                await done

    asyncio.run(main())


def insert(url: str, name: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        client.school.names.insert_one({"_id": name})


def names(url: str) -> set[str]:
    with MongoClient[dict[str, Any]](url) as client:
        return {document["_id"] for document in client.school.names.find()}


def accepts_writes(url: str) -> bool:
    """Return whether the server accepts a write now."""
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=500, timeoutMS=1000) as client:
        try:
            client.school.pings.insert_one({})
        except Exception:  # noqa: BLE001 (any error means that it does not)
            return False
    return True


def only(pids: list[int]) -> int:
    (pid,) = pids
    return pid


def test_data_persists_and_only_this_user_can_connect(data: Path) -> None:
    found: list[Embedded] = []

    def first(embedded: Embedded) -> None:
        found.append(embedded)
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "m.sock").stat().st_mode) == 0o700
        assert listening_ports(only(mongods(data))) == 0
        insert(embedded.url, "Ada")

    use(data, first)
    until(lambda: not running(data))
    assert found[0].version == mongod().version
    assert found[0].data == data / f"mongodb-{mongod().series}"
    assert '"exitCode":0' in (data / "mongod.log").read_text(), "the shutdown must be clean"
    kept: set[str] = set()
    use(data, lambda embedded: kept.update(names(embedded.url)))
    assert kept == {"Ada"}


def listening_ports(pid: int) -> int:
    """Return the number of listening TCP sockets of a process (state 0A)."""
    own = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since the listing
            own.add(str(link.readlink()))
    rows = [row.split() for kind in ("tcp", "tcp6") for row in Path(f"/proc/net/{kind}").read_text().splitlines()]
    return sum(row[3] == "0A" and f"socket:[{row[9]}]" in own for row in rows)


def test_processes_share_one_server(data: Path, app: StartApp) -> None:
    apps = [app() for _ in range(3)]
    urls = {each.url() for each in apps}
    assert len(urls) == 1
    assert len(mongods(data)) == 1
    assert until(lambda: len(supervisors(data)) == 1), "supervisors that are not elected must exit"
    apps[0].kill()
    apps[1].stop()
    insert(urls.pop(), "Ada")
    before = mongods(data)
    time.sleep(0.5)  # longer than the grace period: only time can show that nothing happens
    assert mongods(data) == before
    apps[2].kill()
    until(lambda: not running(data))
    assert '"exitCode":0' in (data / "mongod.log").read_text(), "the shutdown must be clean"


def test_the_server_keeps_running_for_an_app_that_restarts_in_time(data: Path, app: StartApp) -> None:
    first = app(grace=8.0)
    first.url()
    before = mongods(data)
    until(lambda: age(only(before)) > 8.1)  # the grace period starts when the app exits, not when it starts
    first.kill()
    second = app()
    second.url()
    assert mongods(data) == before


def test_a_mongod_killed_soon_after_its_start_is_restarted(data: Path) -> None:
    async def act(embedded: Embedded) -> None:
        killed = only(mongods(data))
        kill(killed)
        await asyncio.to_thread(until, lambda: killed not in mongods(data))
        await asyncio.to_thread(until, lambda: accepts_writes(embedded.url), within=6)

    use(data, act)


def test_a_stable_mongod_that_is_killed_is_restarted_at_once(data: Path, app: StartApp) -> None:
    url = app().url()
    elected, killed = only(supervisors(data)), only(mongods(data))
    until(lambda: age(killed) > 3.2)
    kill(killed)
    until(lambda: killed not in mongods(data))
    until(lambda: accepts_writes(url), within=4)
    assert only(supervisors(data)) == elected
    assert "restarting it" in (data / "mongod.log").read_text()


def age(pid: int) -> float:
    """Return the seconds since a process started (proc(5): field 22 of `stat`, in clock ticks since boot)."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_supervisor_that_is_ended_is_restarted(data: Path, how: signal.Signals) -> None:
    async def act(embedded: Embedded) -> None:
        before = set(running(data))
        os.kill(only(supervisors(data)), how)
        await asyncio.to_thread(until, lambda: not before & set(running(data)))
        await asyncio.to_thread(until, lambda: accepts_writes(embedded.url), within=6)

    use(data, act)
    clean = '"exitCode":0' in (data / "mongod.log").read_text()
    assert clean or how is signal.SIGKILL


def test_mongod_ends_when_app_and_supervisor_are_killed(data: Path, app: StartApp) -> None:
    killed = app(grace=60.0)
    killed.url()
    kill(*supervisors(data), killed.process.pid)
    until(lambda: not running(data), within=5)


def test_acknowledged_writes_survive_the_kill_of_all_processes(data: Path, app: StartApp) -> None:
    writer = app("write", grace=5.0)
    until(lambda: len(writer.lines) > 100)
    kill(*supervisors(data), *mongods(data), writer.process.pid)
    writer.kill()
    acknowledged = {int(line) for line in writer.lines[1:]}
    url = app().url()
    with MongoClient[dict[str, int]](url) as client:
        stored = {document["_id"] for document in client.school.written.find()}
    assert len(acknowledged) >= 100
    assert acknowledged <= stored


def test_a_moved_folder_keeps_its_data(data: Path, tmp_path: Path) -> None:
    use(data, lambda embedded: insert(embedded.url, "Ada"))
    until(lambda: not running(data))
    moved = tmp_path / "moved here"
    data.rename(moved)
    found: set[str] = set()
    use(moved, lambda embedded: found.update(names(embedded.url)))
    assert found == {"Ada"}
    until(lambda: not running(moved))


@pytest.mark.parametrize("name", ["d" * 120, "a:b"])
def test_paths_unsuitable_for_a_socket_work(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    use(folder, lambda embedded: insert(embedded.url, "Ada"))
    assert not (folder / "m.sock").exists()
    until(lambda: not running(folder))


def test_data_folders_are_independent(data: Path, tmp_path: Path, app: StartApp) -> None:
    other = tmp_path / "other"
    here, there = app(), app(folder=other)
    assert here.url() != there.url()
    insert(here.url(), "Ada")
    assert names(there.url()) == set()
    here.stop()
    until(lambda: not running(data))
    insert(there.url(), "Grace")
    there.stop()
    until(lambda: not running(other))


def test_files_left_by_a_crash_do_not_prevent_a_start(data: Path) -> None:
    data.mkdir()
    for name in ("m.sock", "lease", "supervisor.lock"):
        (data / name).touch()
    (data / "mongod.pid").write_text("1 1")
    (data / "failure.json").write_text('{"at": 1, "code": 1, "output": "long ago"}')
    use(data, lambda embedded: insert(embedded.url, "Ada"))


def test_an_app_waits_while_the_previous_server_stops(data: Path, app: StartApp) -> None:
    data.mkdir()
    with (data / "lease").open("w") as lease:
        fcntl.flock(lease, fcntl.LOCK_EX)
        waiting = app()
        until((data / f"mongodb-{mongod().series}").exists)
        time.sleep(0.3)  # without the lock, the app would have started a supervisor by now
        assert not running(data)
    assert waiting.url()


def test_a_mongod_without_a_supervisor_is_killed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data.mkdir()
    orphan = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(data / "mongod.pid")], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert orphan.stdout is not None
        orphan.stdout.readline()
        use(data, lambda embedded: insert(embedded.url, "Ada"))
        assert orphan.wait(1) == -signal.SIGKILL
    finally:
        orphan.kill()
        orphan.communicate()


HOLD_LOCK = """
import fcntl, os, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print(os.getpid(), os.getsid(0), file=file, flush=True)
    print("held", flush=True)
    time.sleep(60)
"""


def test_an_unrelated_process_is_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_ORPHAN", 0.0)
    monkeypatch.setattr(supervisor, "_STOP", 0.0)
    path = tmp_path / "mongod.pid"
    with subprocess.Popen(["sleep", "30"]) as stranger, path.open("w+") as held, path.open() as tried:
        path.write_text(f"{stranger.pid} {os.getsid(0) + 1}")
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="another mongod"):
            supervisor._end_orphan(tried.fileno())
        stranger.terminate()
        assert stranger.wait() == -signal.SIGTERM, "the process must have been alive until now"


def test_a_mongod_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_STOP", 0.1)
    process = subprocess.Popen(["sh", "-c", "trap '' TERM; echo set; sleep 30"], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        supervisor._stop(process)
        assert process.returncode == -signal.SIGKILL


def test_mongod_ends_when_its_folder_is_moved(data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(_: Embedded) -> None:
        await asyncio.to_thread(data.rename, tmp_path / "away")
        await asyncio.to_thread(until, lambda: not running(data))
        await asyncio.to_thread(until, lambda: "cannot be used" in caplog.text)

    use(data, act)
    assert not data.exists(), "no empty database may replace the moved one"


def test_a_supervisor_kills_mongod_when_the_folder_is_moved(data: Path, tmp_path: Path) -> None:
    """Use a program that, like mongod, does not notice the move, and might write to a folder that took the old path."""
    data.mkdir()
    command = [sys.executable, "-I", supervisor.__file__, str(data), "60", "sleep", "60"]
    with subprocess.Popen(command) as process:
        until(lambda: (data / "mongod.pid").exists() and (data / "mongod.pid").read_text())
        pid = int((data / "mongod.pid").read_text().split()[0])
        data.rename(tmp_path / "away")
        try:
            assert process.wait(10) == 0
        finally:
            process.kill()
    assert not Path(f"/proc/{pid}").exists()


def test_a_long_log_is_rotated(data: Path) -> None:
    data.mkdir()
    (data / "mongod.log").write_bytes(b"\n" * (5 * 2**20 + 1))
    use(data)
    assert (data / "mongod.log.1").stat().st_size > 5 * 2**20
    assert 0 < (data / "mongod.log").stat().st_size < 2**20


def test_a_second_supervisor_exits_at_once(data: Path) -> None:
    def act(_: Embedded) -> None:
        before = running(data)
        second = [sys.executable, "-I", supervisor.__file__, str(data), "0", "false"]
        assert subprocess.run(second, timeout=10, check=False).returncode == 0
        assert running(data) == before
        assert is_locked(data / "supervisor.lock")

    use(data, act)
