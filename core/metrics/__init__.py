"""What the service counts and times, for Prometheus.

A metric is one line at the top of a file, `ENROLMENTS = Counter("course_enrolments_total", "Enrolments in courses.")`;
`ENROLMENTS.inc()` counts, and `/metrics` tells it without any further word. Names and units follow
https://prometheus.io/docs/practices/naming/. A label has a few values that the code knows beforehand: never a name, a
number, an address or anything else that somebody sends.
"""

# The first: where there are several workers, prometheus_client must know before it is imported.
from core.metrics import workers

# isort: split
from core.metrics import database, requests
from core.metrics.kinds import Counter, Gauge, Histogram

__all__ = ["Counter", "Gauge", "Histogram", "database", "requests", "workers"]
