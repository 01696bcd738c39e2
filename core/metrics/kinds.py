"""The metric types of the Prometheus library, configured for several workers."""

from functools import partial

import prometheus_client
from prometheus_client import Counter, Histogram

__all__ = ["Counter", "Gauge", "Histogram"]

# With several workers, `/metrics` exports the sum over the live ones.
Gauge = partial(prometheus_client.Gauge, multiprocess_mode="livesum")

# Otherwise, each series gets a second one with its creation time, which nothing uses.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
