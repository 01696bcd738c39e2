"""The kinds of metrics, as the library has them."""

from functools import partial

import prometheus_client
from prometheus_client import Counter, Histogram

__all__ = ["Counter", "Gauge", "Histogram"]

# Of several workers, `/metrics` tells the sum of those that live.
Gauge = partial(prometheus_client.Gauge, multiprocess_mode="livesum")

# When each series began is told as one more series each, which nobody reads.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
