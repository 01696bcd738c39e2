"""How long the database takes, and how many connections to it there are."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import MongoClient

from core.metrics.kinds import Gauge, Histogram

DURATION = Histogram(
    "mongodb_operation_duration_seconds",
    "What the database was asked for: how often, how long it took with waiting and repeating, and whether it failed.",
    ["operation", "outcome"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
OPEN = Gauge("mongodb_pool_connections_open", "Connections to the database.")
IN_USE = Gauge("mongodb_pool_connections_in_use", "Connections to the database that an operation has taken.")
WAITING = Gauge("mongodb_pool_connections_waiting", "Operations that wait for a connection to the database.")

# Between two looks at the connections.
PAUSE_SECONDS = 1.0

_series: dict[tuple[str, str], Callable[[float], None]] = {}


def observe(operation: str, seconds: float, *, failed: bool) -> None:
    """Count an operation, by the name of the driver's method. Called in the driver's threads.

    Timed from outside: the driver's own events of commands cost each one as much as a seventh of it.
    """
    outcome = "failed" if failed else "ok"
    series = _series.get((operation, outcome))
    if series is None:
        series = _series[operation, outcome] = DURATION.labels(operation, outcome).observe
    series(seconds)


@asynccontextmanager
async def watched(client: MongoClient[Any]) -> AsyncIterator[None]:
    """The time in which a client's connections are counted, each second. Counted rather than told: the driver's events
    of them cost too much."""
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
