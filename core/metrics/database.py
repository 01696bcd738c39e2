"""What the database driver tells of its commands and its connections. Called in the driver's threads."""

from collections.abc import Callable

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
    ConnectionCheckedInEvent,
    ConnectionCheckedOutEvent,
    ConnectionCheckOutFailedEvent,
    ConnectionCheckOutStartedEvent,
    ConnectionClosedEvent,
    ConnectionCreatedEvent,
    ConnectionPoolListener,
    ConnectionReadyEvent,
    PoolClearedEvent,
    PoolClosedEvent,
    PoolCreatedEvent,
    PoolReadyEvent,
)

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

_series: dict[tuple[str, str], Callable[[float], None]] = {}


def _observe(command: str, outcome: str, microseconds: int) -> None:
    series = _series.get((command, outcome))
    if series is None:
        name = command if command in COMMANDS else "other"
        series = _series[command, outcome] = DURATION.labels(name, outcome).observe
    series(microseconds / 1e6)


class CommandTimes(CommandListener):
    """Times every command."""

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing: the end tells how long it took."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Count a command that the database has carried out."""
        _observe(event.command_name, "ok", event.duration_micros)

    def failed(self, event: CommandFailedEvent) -> None:
        """Count one that it has refused, or not answered."""
        _observe(event.command_name, "failed", event.duration_micros)


class PoolGauges(ConnectionPoolListener):
    """Counts the connections."""

    def connection_created(self, event: ConnectionCreatedEvent) -> None:  # noqa: ARG002  # as all of these
        """There is one more."""
        OPEN.inc()

    def connection_closed(self, event: ConnectionClosedEvent) -> None:  # noqa: ARG002
        """There is one less."""
        OPEN.dec()

    def connection_check_out_started(self, event: ConnectionCheckOutStartedEvent) -> None:  # noqa: ARG002
        """A command wants one."""
        WAITING.inc()

    def connection_check_out_failed(self, event: ConnectionCheckOutFailedEvent) -> None:  # noqa: ARG002
        """It has not got one."""
        WAITING.dec()

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:  # noqa: ARG002
        """It has got one."""
        WAITING.dec()
        IN_USE.inc()

    def connection_checked_in(self, event: ConnectionCheckedInEvent) -> None:  # noqa: ARG002
        """It has given it back."""
        IN_USE.dec()

    def connection_ready(self, event: ConnectionReadyEvent) -> None:
        """Nothing: it is counted already."""

    def pool_created(self, event: PoolCreatedEvent) -> None:
        """Nothing."""

    def pool_ready(self, event: PoolReadyEvent) -> None:
        """Nothing."""

    def pool_cleared(self, event: PoolClearedEvent) -> None:
        """Nothing: each connection that this closes is told."""

    def pool_closed(self, event: PoolClosedEvent) -> None:
        """Nothing, for the same reason."""
