"""Metrics of the database: the duration of operations and the number of connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pymongo import MongoClient

from core.metrics.kinds import Gauge, Histogram

DURATION = Histogram(
    "mongodb_operation_duration_seconds",
    "Duration of database operations in seconds, including waiting and retries, by operation and outcome.",
    ["operation", "outcome"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
OPEN = Gauge("mongodb_pool_connections_open", "Open connections to the database.")
IN_USE = Gauge("mongodb_pool_connections_in_use", "Connections to the database that are in use by an operation.")
WAITING = Gauge("mongodb_pool_connections_waiting", "Operations that are waiting for a connection to the database.")

# The interval at which the connections are counted.
PAUSE_SECONDS = 1.0

_series: dict[tuple[str, str], Callable[[float], None]] = {}


def observe(operation: str, seconds: float, *, failed: bool) -> None:
    """Record an operation under the name of the driver's method. Called in the driver's threads.

    The driver's command events are not used: they make each command up to a seventh slower.
    """
    outcome = "failed" if failed else "ok"
    series = _series.get((operation, outcome))
    if series is None:
        series = _series[operation, outcome] = DURATION.labels(operation, outcome).observe
    series(seconds)


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
