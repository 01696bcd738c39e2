"""Operation of the service: startup, logging, health checks, metrics and traces."""

from core.operations.health import service
from core.operations.jobs import JobRunner
from core.operations.lifecycle import open_service, running
from core.operations.logging import configure_logs
from core.operations.tracing import telemetry, tracer_provider_for

__all__ = [
    "JobRunner",
    "configure_logs",
    "open_service",
    "running",
    "service",
    "telemetry",
    "tracer_provider_for",
]
