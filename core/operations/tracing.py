"""Traces of requests by OpenTelemetry, which the framework makes: none, unless `TELEMETRY=on` asks for them."""

from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig

from core.errors import StartupError
from core.settings import Settings

if TYPE_CHECKING:
    from core.operations.trace_export import Traces

# What is off costs a request next to nothing. Metrics are told by `/metrics`; of errors our own log tells, as the
# framework's words would hold what was sent.
_OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def traces_asked_for(settings: Settings) -> "Traces | None":
    """Where requests are to be traced to, if at all. Raises `StartupError` where what that needs is not installed."""
    if settings.telemetry == "off":
        return None
    try:
        from core.operations.trace_export import Traces  # noqa: PLC0415  # what it imports is optional
    except ImportError as error:
        raise StartupError(
            f"TELEMETRY=on needs packages that are not installed ({error.name}): "
            "pip install -r requirements-telemetry.txt"
        ) from error
    return Traces()


def telemetry(traces: "Traces | None") -> TelemetryConfig:
    """Return FastAPI's configuration: one span for each request, and none for the functions that it calls."""
    return _OFF if traces is None else {**_OFF, "tracing": True, "operation_spans": False, "tracer_provider": traces}
