"""Metrics of HTTP requests: count and duration by method, route and status."""

from collections.abc import Callable, Mapping
from typing import Any

from core.metrics.kinds import Gauge, Histogram

DURATION = Histogram(
    "http_request_duration_seconds",
    "Duration of HTTP requests in seconds, by method, route template and status.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
IN_FLIGHT = Gauge("http_requests_in_flight", "HTTP requests in progress.")

# All other methods share one label value; otherwise, clients could create any number of series.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"
NO_ROUTE = "unknown"
NO_ANSWER = "none"

# A cache, because looking up a series takes longer than updating it.
_series: dict[tuple[str, str, int], Callable[[float], None]] = {}

begin = IN_FLIGHT.inc
"""Record the start of a request."""


def observe(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    """Record the end of a request, with its duration. The status is 0 if it was aborted before a response started."""
    IN_FLIGHT.dec()
    method = scope["method"]
    key = (
        method if method in METHODS else OTHER_METHOD,
        getattr(scope.get("route"), "path_format", NO_ROUTE),
        status,
    )
    series = _series.get(key)
    if series is None:
        series = _series[key] = DURATION.labels(key[0], key[1], status or NO_ANSWER).observe
    series(seconds)
