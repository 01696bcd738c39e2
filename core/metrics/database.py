"""Metrics of the database: the duration of commands and the number of connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from core.metrics.kinds import Gauge, Histogram

DURATION = Histogram(
    "mongodb_operation_duration_seconds",
    "Duration of database commands in seconds, by command and outcome.",
    ["operation", "outcome"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
OPEN = Gauge("mongodb_pool_connections_open", "Open connections to the database.")
IN_USE = Gauge("mongodb_pool_connections_in_use", "Connections to the database that are in use by an operation.")
WAITING = Gauge("mongodb_pool_connections_waiting", "Operations that are waiting for a connection to the database.")

# The interval at which the connections are counted.
PAUSE_SECONDS = 1.0

_DUPLICATE_KEY = 11000

_series: dict[tuple[str, str], Callable[[float], None]] = {}


class CommandDurations(CommandListener):
    """Records the duration of each command. The driver calls it in its threads.

    Not recorded: the commands of change streams, which wait for changes. A duplicate key is not a failure, because
    clients of the API cause it.
    """

    def started(self, event: CommandStartedEvent) -> None:
        """Do nothing."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Record a command, unless its reply has the resume token of a change stream."""
        if "postBatchResumeToken" not in event.reply.get("cursor", ()):
            _observe(event, "ok")

    def failed(self, event: CommandFailedEvent) -> None:
        """Record a command that failed, or that found a duplicate key."""
        _observe(event, "ok" if event.failure.get("code") == _DUPLICATE_KEY else "failed")


def _observe(event: CommandSucceededEvent | CommandFailedEvent, outcome: str) -> None:
    name = event.command_name
    series = _series.get((name, outcome))
    if series is None:
        series = _series[name, outcome] = DURATION.labels(name, outcome).observe
    series(event.duration_micros / 1_000_000)


@asynccontextmanager
async def watched(client: MongoClient[Any]) -> AsyncIterator[None]:
    """Count a client's connections every second for the duration of the context.

    The driver's connection events are not used, because they cost too much.
    """
    counting = asyncio.create_task(_count(client))
    try:
        yield
    finally:
        counting.cancel()
        _set_gauges(0, 0, 0)


async def _count(client: MongoClient[Any]) -> None:
    while True:
        pools = [server.pool for server in list(client._topology._servers.values())]  # noqa: SLF001  # no public API
        idle = sum(len(pool.conns) for pool in pools)
        in_use = sum(pool.active_sockets for pool in pools)
        _set_gauges(idle + in_use, in_use, sum(pool.operation_count for pool in pools) - in_use)
        await asyncio.sleep(PAUSE_SECONDS)


def _set_gauges(open_: int, in_use: int, waiting: int) -> None:
    OPEN.set(open_)
    IN_USE.set(in_use)
    WAITING.set(max(0, waiting))
