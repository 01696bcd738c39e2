"""Fixtures of all tests: one real mongod for the whole run, and clients of an app on a database of its own.

There are three tiers, selected by marker. Unmarked tests call functions, and the whole app on a real mongod. Tests
marked `process` start or kill processes of their own. Tests marked `needs` use packages that only requirements-dev.txt
brings.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from fastapi.testclient import TestClient
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

import core.database.client
from core.conflicts import check_conflicts
from core.database.embedded import find_mongod, run_embedded
from core.errors import StartupError
from core.module import Module
from core.operations.health import service
from core.registry import discover
from core.settings import ModuleSelection, ModuleSettings, Settings, variables
from modules.auth import login_throttle
from modules.students.subject_catalog import catalog
from tests import exchanges
from tests.apps import Apps, filled
from tests.direct_client import DirectClient
from tests.relay import Relay
from tests.terminal import Terminal

AppClient = Callable[..., DirectClient]


logging.getLogger("httpx2").setLevel(logging.WARNING)  # each request is in the access log, too

FIRST_TIER = "not process and not needs"
_STARTS_OF_PROCESSES = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"})
_item: pytest.Item | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Run the first tier unless `-m` chooses another, or a file or a test is named."""
    if not config.option.markexpr and _names_only_folders(config):
        config.option.markexpr = FIRST_TIER


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest tests, so that the run does not wait for one of them at its end.

    Run the tests of each file that use mongomock after its others, so that the app is not started again for each.
    """
    files = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
    items.sort(key=lambda item: (not item.get_closest_marker("slowest"), files[item.path], _uses_memory(item)))


def _uses_memory(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    return hasattr(item, "callspec") and item.callspec.params.get("any_client") == "memory"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run a named file or test in this process: to start other processes takes longer than most files.

    For the rest there is one process more than processors, as each waits for mongod for a third of its time.
    """
    if _names_only_folders(config):
        return (os.cpu_count() or 1) + 1
    config.option.dist = "no"
    return 0


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop the run, with one line, if a module keeps the service from starting: each test would print the same error.

    Do this before test processes are started.
    """
    if hasattr(session.config, "workerinput"):
        return
    try:
        check_conflicts([*discover(), service])
    except StartupError as error:
        raise pytest.UsageError(f"The service cannot start. {error}") from None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Save a run without Hypothesis its import, which takes half a second, and which its plugin does at the end."""
    plugins = session.config.pluginmanager
    if "hypothesis" not in sys.modules and not plugins.hasplugin("dsession"):  # that is where others run the tests
        plugins.unregister(name="hypothesispytest")


def _names_only_folders(config: pytest.Config) -> bool:
    return all(Path(argument).is_dir() for argument in config.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print the last requests of a test that failed."""
    report = yield
    if report.failed and (text := exchanges.current.render()):
        report.sections.append(("Last requests", text))
    return report


def _refuse_processes(event: str, _: tuple[object, ...]) -> None:
    """Fail a test of the first tier that starts a process. This is an audit hook (PEP 578).

    The mongod that all tests share is started by another thread.
    """
    if event not in _STARTS_OF_PROCESSES or threading.current_thread() is not threading.main_thread():
        return
    if _item and not any(map(_item.get_closest_marker, ("process", "needs"))):
        raise RuntimeError("A test that starts processes has the marker `process`.")


sys.addaudithook(_refuse_processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remember the test that is running."""
    global _item  # noqa: PLW0603 (an audit hook cannot be removed, and has no arguments of ours)
    _item = item
    exchanges.start_test()
    try:
        return (yield)
    finally:
        _item = None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test, with the reason, if packages are missing that it declares: `@pytest.mark.needs("playwright")`."""
    missing = [name for mark in item.iter_markers("needs") for name in mark.args if not find_spec(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: pip install -r requirements-dev.txt, then run this again")


@pytest.fixture(autouse=True, scope="session")
def _plain_environment() -> Iterator[None]:
    """Ignore settings in the shell and in the `.env` of whoever runs the tests."""
    kinds: list[type[ModuleSelection | ModuleSettings]] = [ModuleSelection, Settings, *settings_of_modules()]
    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            for name in variables(kind):
                patch.delenv(name, raising=False)
            patch.setitem(kind.model_config, "env_file", None)
        yield


@cache
def settings_of_modules() -> list[type[ModuleSettings]]:
    """Return the settings classes that the service's modules declare."""
    return [module.settings for module in discover() if module.settings]


def configured(settings: Settings, **changes: object) -> Settings:
    """Return the settings with some changed. Those of modules are given by the lower-case names of their variables."""
    ours = {name: value for name, value in changes.items() if name in Settings.model_fields}
    parts = []
    for kind in settings_of_modules():
        fields = {field: name.lower() for name, field in variables(kind).items()}
        theirs = {field: changes[name] for field, name in fields.items() if name in changes}
        parts += [settings.part(kind).model_copy(update=theirs)] if theirs else []
    return settings.model_copy(update=ours).with_parts(*parts)


@pytest.fixture(scope="module")
def without_coverage() -> Iterator[None]:
    """Start processes without coverage, which doubles their processor time, where other tests run the same lines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """Start one real mongod for the whole run, and yield its URL.

    It is the service's embedded mongod. All test processes share it, as the service's workers do.
    """
    folder = tmp_path_factory.getbasetemp()
    data = (folder if worker_id == "master" else folder.parent) / "mongod"
    with start_blocking_portal() as portal:
        mongod = portal.call(find_mongod, None, data)
        assert mongod, "the wheel in requirements.txt must contain a mongod"
        with portal.wrap_async_context_manager(run_embedded(mongod, data)) as embedded:
            yield embedded.url


@pytest.fixture(scope="session")
def mongodb(mongodb_url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """Yield a client of that mongod, to read the database without the service."""
    with MongoClient[dict[str, Any]](mongodb_url, tz_aware=True) as client:
        yield client


@pytest.fixture
def relay(mongodb_url: str) -> Iterator[Relay]:
    """Yield a relay to that mongod, for tests in which the connection is lost or slow."""
    with start_blocking_portal() as portal:
        relay = Relay(portal, parse_uri(mongodb_url)["nodelist"][0][0])
        yield relay
        relay.shut()


def database_of(worker_id: str) -> str:
    return f"tests_{worker_id}"


@pytest.fixture
def database_name(mongodb: MongoClient[dict[str, Any]], worker_id: str) -> Iterator[str]:
    """Yield the name of this test process's database, which is empty at first.

    Its collections are kept, because their indexes take long to create.
    """
    name = database_of(worker_id)
    yield name
    # A command that ends late may create the profiler's collection again; documents in it cannot be deleted.
    mongodb[name]["system.profile"].drop()
    for collection in filled(mongodb[name]):
        mongodb[name][collection].delete_many({})
    login_throttle._blocked.clear()  # what a process remembers of the counters that were there
    catalog.reset()


@pytest.fixture(scope="session")
def _settings(mongodb_url: str, worker_id: str) -> Settings:
    own = {"mongodb_url": mongodb_url, "mongodb_database": database_of(worker_id), "log_level": "INFO"}
    return configured(Settings.model_validate(own), bcrypt_cost=4)


@pytest.fixture
def settings(_settings: Settings, database_name: str) -> Settings:
    """Return settings for the real mongod, with the lowest cost of bcrypt."""
    assert _settings.mongodb_database == database_name
    return _settings.with_parts()


@pytest.fixture(scope="session")
def _apps(mongodb_url: str, mongodb: MongoClient[dict[str, Any]], worker_id: str) -> Iterator[Apps]:
    apps = Apps(mongodb_url, mongodb[database_of(worker_id)])
    yield apps
    apps.stop_all()


@pytest.fixture
def no_app(_apps: Apps) -> Iterator[None]:
    """Stop the apps of other tests before this one, and keep no app of this test for the next one.

    This is for a test that counts resources of the process, or that changes how an app starts.
    """
    _apps.stop_all()
    yield
    _apps.stop_all()


@pytest.fixture
def open_client(settings: Settings, _apps: Apps) -> Iterator[AppClient]:
    """Yield a function that opens clients of running apps: `open_client(modules=…, marks_max=…)`.

    The app of an earlier test is used again if it has the same settings, and the same tuple of modules, if any.
    """

    def open_client(modules: Sequence[Module] | None = None, **changes: object) -> DirectClient:
        return _apps.open(configured(settings, **changes), modules)

    yield open_client
    _apps.end_test()


@pytest.fixture
def client(open_client: AppClient) -> DirectClient:
    """Return a client of the whole service on the real mongod; no user is signed in."""
    return open_client()


@pytest.fixture(params=["mongod", "memory"])
def any_client(request: pytest.FixtureRequest, open_client: AppClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Return a client like `client`, once on the real mongod and once on mongomock-motor."""
    if request.param == "mongod":
        return open_client()
    monkeypatch.setattr(core.database.client, "find_mongod", lambda *_: None)
    return open_client(mongodb_url=None, allow_memory_db=True)


@pytest.fixture
def terminal(settings: Settings, tmp_path: Path) -> Terminal:
    return Terminal(settings, tmp_path)


def sign_in(client: TestClient, username: str = "alice", password: str = "secure123") -> TestClient:
    """Register a user and let `client` send that user's token from now on."""
    body = {"username": username, "email": f"{username}@example.com", "password": password}
    assert client.post("/register", json=body).status_code == 201
    token = client.post("/login", data={"username": username, "password": password}).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client
