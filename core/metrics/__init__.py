"""The service's metrics, for Prometheus.

A metric is one line at the top of a file, `ENROLMENTS = Counter("course_enrolments_total", "Enrolments in courses.")`;
`ENROLMENTS.inc()` increments it, and `/metrics` exports it without further registration. Names and units follow
https://prometheus.io/docs/practices/naming/. A label has a few values that are fixed in the code: never a name, a
number, an address or any other value that clients send.
"""

# The first: where there are several workers, prometheus_client must know before it is imported.
from core.metrics import workers

# isort: split
from core.metrics import database, requests
from core.metrics.kinds import Counter, Gauge, Histogram

__all__ = ["Counter", "Gauge", "Histogram", "database", "requests", "workers"]
