"""Read the metrics of this process or of a running server."""

from collections.abc import Iterable

import httpx2
from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

REQUESTS = "http_request_duration_seconds_count"


def told(name: str, **labels: str) -> float:
    """Return the sum of this process's series with this name and these labels."""
    return _sum(REGISTRY.restricted_registry([name]).collect(), name, labels)


def scraped(url: str, name: str, **labels: str) -> float:
    """Return the same sum of a running server, which is asked on a connection of its own."""
    answer = httpx2.get(f"{url}/metrics", timeout=60)
    assert answer.status_code == 200, answer.text
    return _sum(text_string_to_metric_families(answer.text), name, labels)


def _sum(families: Iterable[Metric], name: str, labels: dict[str, str]) -> float:
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
