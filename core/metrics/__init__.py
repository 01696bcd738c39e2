"""What the service counts and times, for Prometheus.

A metric is one line at the top of a file, `ENROLMENTS = Counter("course_enrolments_total", "Enrolments in courses.")`;
`ENROLMENTS.inc()` counts, and `/metrics` tells it without any further word. Names and units follow
https://prometheus.io/docs/practices/naming/. A label has a few values that the code knows beforehand: never a name, a
number, an address or anything else that somebody sends.
"""

from core.metrics import workers  # the first: where there are several workers, the library must know before its import
from core.metrics.kinds import Counter, Gauge, Histogram

__all__ = ["Counter", "Gauge", "Histogram", "workers"]
