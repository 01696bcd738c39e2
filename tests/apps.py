"""Start the apps that tests use, and keep one of them running for the next test with the same settings."""

import asyncio
import logging
import operator
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from pydantic_settings import BaseSettings
from pymongo.database import Database

from core.app import create_app
from core.module import Module
from core.operations.health import service
from core.registry import discover
from core.settings import Settings
from tests import kit
from tests.direct_client import DirectClient
from tests.exchanges import HOOKS

Document = dict[str, Any]


class RunningApp:
    """A running app with these settings and modules; `None` stands for the discovered modules."""

    def __init__(self, settings: Settings, modules: Sequence[Module] | None, database: Database[Document]) -> None:
        self.settings = settings
        self.modules = modules
        self._database = database
        self._stderr = sys.stderr
        before = documents_of(database)
        known = _discovered() if modules is None and not settings.modules_disabled else modules
        self._client = TestClient(create_app(settings, known), raise_server_exceptions=False)
        self._client.__enter__()
        self._tasks = self._count_tasks()
        self._bound_to = _bindings(modules)
        self._log_level = logging.getLogger().level
        self._written_at_start = documents_of(database)
        self.began_empty = not before

    @property
    def portal(self) -> BlockingPortal:
        """Return the event loop in which the app runs."""
        assert self._client.portal
        return self._client.portal

    def new_client(self) -> DirectClient:
        """Make a client with no headers and cookies of an earlier test."""
        client = DirectClient(self._client.app, self.portal)
        client.event_hooks = HOOKS
        return client

    def is_idle(self) -> bool:
        """Return whether no task of a test, such as a running import, is left in the app's event loop."""
        return self._count_tasks() <= self._tasks

    def is_current(self) -> bool:
        """Return whether documents are still bound to this app's database, and logging is as it was at its start.

        They are not after the start of another app. Logging is not after a fixture has replaced the standard error, or
        restored the log level from before the start.
        """
        same_logging = self._stderr is sys.stderr and logging.getLogger().level == self._log_level
        return same_logging and all(map(operator.is_, self._bound_to, _bindings(self.modules)))

    def restore(self) -> None:
        """Insert again what the app wrote at its start, such as the list of migrations that need not be applied."""
        for name, documents in self._written_at_start.items():
            if self._database[name].find_one() is None:
                self._database[name].insert_many(documents)

    def stop(self) -> None:
        """Shut the app down."""
        self._client.__exit__(None, None, None)

    def _count_tasks(self) -> int:
        return self.portal.call(lambda: len(asyncio.all_tasks()))


class Apps:
    """The apps of one test process.

    A start takes as long as a dozen requests, so the app of one test is used again by the next one that asks for the
    same settings, and for the discovered modules or the same tuple of others, which a file of tests declares once. Only
    one app is kept: documents are bound to the database of the app that was started last.
    """

    _running: ClassVar[list[RunningApp]] = []

    def __init__(self, mongodb_url: str, database: Database[Document]) -> None:
        """Keep only apps on the server at `mongodb_url`: others may be gone after the test."""
        self._mongodb_url = mongodb_url
        self._database = database
        self._clients: list[DirectClient] = []

    def open(self, settings: Settings, modules: Sequence[Module] | None) -> DirectClient:
        """Return a new client of an app with these settings and modules, which is started unless it runs already."""
        if not self._fits(settings, modules):
            if not self._clients:  # no test uses the one that was kept
                self.stop_all()
            self._running.append(RunningApp(settings, modules, self._database))
        else:
            self._running[-1].restore()
        client = self._running[-1].new_client()
        kit.opened(client, self._database)
        self._clients.append(client)
        return client

    def end_test(self) -> None:
        """Close the clients of a test, and stop the apps that the next test cannot use."""
        for client in reversed(self._clients):
            app: Any = client.app
            app.dependency_overrides.clear()
            client.close()
        self._clients.clear()
        if len(self._running) > 1 or not all(map(self._can_be_kept, self._running)):
            self.stop_all()

    @classmethod
    def stop_all(cls) -> None:
        """Stop every app, the last one first."""
        while cls._running:
            cls._running.pop().stop()

    def _can_be_kept(self, app: RunningApp) -> bool:
        url = app.settings.mongodb_url
        is_ours = url is not None and url.get_secret_value() == self._mongodb_url
        is_reusable = app.modules is None or isinstance(app.modules, tuple)
        return is_ours and is_reusable and app.began_empty and app.is_idle()

    def _fits(self, settings: Settings, modules: Sequence[Module] | None) -> bool:
        if not self._running or self._running[-1].modules is not modules:
            return False
        return _values(self._running[-1].settings) == _values(settings) and self._running[-1].is_current()


_discovered = cache(discover)
"""The modules of the service. Their discovery reads all their files, which takes longer than most tests."""


def _values(settings: Settings) -> dict[type[BaseSettings], dict[str, Any]]:
    """Return all settings, including those of modules that have not been read so far."""
    settings.read_parts([module.settings for module in _discovered() if module.settings])
    return {type(part): part.__dict__ for part in settings.parts}


def documents_of(database: Database[Document]) -> dict[str, list[Document]]:
    """Return everything that is stored, by collection."""
    return {name: list(database[name].find()) for name in filled(database)}


def filled(database: Database[Document]) -> list[str]:
    """Return the names of the collections with documents. One command asks for all of them."""
    names = [name for name in database.list_collection_names() if not name.startswith("system.")]
    parts: list[list[Document]] = [
        [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}] for name in names
    ]
    others = [{"$unionWith": {"coll": name, "pipeline": part}} for name, part in zip(names[1:], parts[1:], strict=True)]
    return [one["name"] for one in database[names[0]].aggregate([*parts[0], *others])] if names else []


def _bindings(modules: Sequence[Module] | None) -> list[object]:
    """Return the collections that the documents are bound to, those of the service itself included."""
    return [
        document.get_motor_collection()
        for module in (*(_discovered() if modules is None else modules), service)
        for document in module.documents
    ]
