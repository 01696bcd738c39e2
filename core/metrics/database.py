"""How long the database takes, and how many connections to it there are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from core.metrics.kinds import Gauge, Histogram

DURATION = Histogram(
    "mongodb_command_duration_seconds",
    "Commands that the database was sent: how many, how long they took, and whether they failed.",
    ["command", "outcome"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
OPEN = Gauge("mongodb_pool_connections_open", "Connections to the database.")
IN_USE = Gauge("mongodb_pool_connections_in_use", "Connections to the database that a command has taken.")
WAITING = Gauge("mongodb_pool_connections_waiting", "Commands that wait for a connection to the database.")

# What the service uses; anything else counts as one.
COMMANDS = frozenset(
    {"aggregate", "count", "createIndexes", "delete", "distinct", "find", "findAndModify"}
    | {"getMore", "insert", "listCollections", "listIndexes", "ping", "update"}
)

# Between two looks at the connections.
PAUSE_SECONDS = 1.0

_series: dict[tuple[str, str], Callable[[float], None]] = {}


def _observe(command: str, outcome: str, microseconds: int) -> None:
    series = _series.get((command, outcome))
    if series is None:
        name = command if command in COMMANDS else "other"
        series = _series[command, outcome] = DURATION.labels(name, outcome).observe
    series(microseconds / 1e6)


class CommandTimes(CommandListener):
    """Times every command. Called in the driver's threads."""

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing: the end tells how long it took."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a command that the database has carried out."""
        _observe(event.command_name, "ok", event.duration_micros)

    def failed(self, event: CommandFailedEvent) -> None:
        """Count one that it has refused, or not answered."""
        _observe(event.command_name, "failed", event.duration_micros)


@asynccontextmanager
async def watched(client: MongoClient[Any]) -> AsyncIterator[None]:
    """The time in which a client's connections are counted, each second. Counted rather than told: the driver's events
    of them cost each command as much again as those of commands."""
    counting = asyncio.create_task(_count(client))
    try:
        yield
    finally:
        counting.cancel()
        _tell(0, 0, 0)


async def _count(client: MongoClient[Any]) -> None:
    while True:
        pools = [server.pool for server in list(client._topology._servers.values())]  # noqa: SLF001  # told nowhere else
        idle = sum(len(pool.conns) for pool in pools)
        in_use = sum(pool.active_sockets for pool in pools)
        _tell(idle + in_use, in_use, sum(pool.operation_count for pool in pools) - in_use)
        await asyncio.sleep(PAUSE_SECONDS)


def _tell(open_: int, in_use: int, waiting: int) -> None:
    OPEN.set(open_)
    IN_USE.set(in_use)
    WAITING.set(max(0, waiting))
