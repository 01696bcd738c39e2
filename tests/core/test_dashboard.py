"""Tests that the service exports every metric and label that deploy/grafana.json and deploy/alerts.yaml use."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from core.app import create_app
from core.settings import Settings
from tests.conftest import sign_in
from tests.processes import ROOT
from tests.transfers.helpers import send

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"][
    0
]["rules"]

# The labels that Prometheus adds to each scraped series, and the series that it creates for each scrape.
PROMETHEUS_LABELS = {"job", "instance"}
SCRAPE_SERIES = "up"

FUNCTIONS = {"by", "sum", "rate", "increase", "histogram_quantile", "label_values"}

NAME = r"[a-z_]\w*"


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["definition"]


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that an expression names: its words outside of labels, durations and strings."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|by \([^)]*\)|, job\)', " ", expression)
    return set(re.findall(rf"\b{NAME}\b", bare)) - FUNCTIONS


def labels_in(expression: str) -> set[str]:
    """Return the labels by which an expression selects and groups."""
    grouped = ",".join(re.findall(r"by \(([^)]*)\)", expression))
    selected = re.findall(rf"\b({NAME})(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', expression))
    return {label.strip() for label in grouped.split(",") if label.strip()} | set(selected)


@pytest.fixture
def exported(client: TestClient) -> dict[str, set[str]]:
    """Return the labels of each series of a real scrape, after requests that cause all series."""
    sign_in(client)
    client.get("/me", headers={"Authorization": "Bearer hunter2"})
    send(client, "roll_no,name,branch\nS1,n,b\n")
    text = TestClient(client.app, "http://localhost", client=("127.0.0.1", 1)).get("/metrics").text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_all_metrics_of_the_dashboard_and_the_alerts_are_exported(exported: dict[str, set[str]]) -> None:
    queried = list(expressions())
    assert len(queried) > 20
    for expression in (*queried, *(alert["expr"] for alert in ALERTS)):
        names = metrics_in(expression)
        assert names, expression
        assert names <= exported.keys() | {SCRAPE_SERIES}, expression
        for name in names - {SCRAPE_SERIES}:
            assert labels_in(expression) <= exported[name] | PROMETHEUS_LABELS, expression


def test_all_metrics_of_the_service_are_on_the_dashboard(exported: dict[str, set[str]]) -> None:
    shown = {family_of(name) for expression in expressions() for name in metrics_in(expression)}
    ours = {family_of(name) for name in exported if name.startswith(("http_", "mongodb_", "auth_", "import"))}
    assert len(ours) == 12
    assert ours <= shown


def family_of(name: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", name)


def test_each_alert_is_documented() -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert {alert["alert"] for alert in ALERTS} == set(re.findall(r"^\| `([A-Z]\w+)` \|", manual, re.MULTILINE))
    assert all(alert["annotations"]["summary"] for alert in ALERTS)


def test_metrics_and_labels_are_found_in_an_expression() -> None:
    expression = 'sum by (a, le) (rate(x_bucket{job=~"$job",b="c_total=1"}[$__rate_interval])) / sum(y_total)'
    assert metrics_in(expression) == {"x_bucket", "y_total"}
    assert labels_in(expression) == {"a", "le", "job", "b"}


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        position = panel["gridPos"]
        cells = {(position["x"] + x, position["y"] + y) for x in range(position["w"]) for y in range(position["h"])}
        assert not cells & taken, panel["title"]
        assert position["x"] + position["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_each_panel_has_a_description() -> None:
    assert all(panel["description"] for panel in DASHBOARD["panels"] if panel["type"] != "row")
    assert DASHBOARD["schemaVersion"] >= 38  # Grafana 10
    assert create_app(Settings.model_construct()).title == DASHBOARD["title"]
