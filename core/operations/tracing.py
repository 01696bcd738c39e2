"""OpenTelemetry traces of requests, created by the framework if `TELEMETRY=on`."""

from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig

from core.errors import StartupError
from core.settings import Settings

if TYPE_CHECKING:
    from core.operations.trace_export import Traces

# Disabled telemetry costs a request almost nothing. `/metrics` exports the metrics, and the service's own log has the
# errors, because the framework's log records would contain the data that clients send.
_OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def tracer_provider_for(settings: Settings) -> "Traces | None":
    """Return the tracer provider, or None if `TELEMETRY=off`.

    Raise `StartupError` if the required packages are not installed.
    """
    if settings.telemetry == "off":
        return None
    try:
        from core.operations.trace_export import Traces  # noqa: PLC0415  # its dependencies are optional
    except ImportError as error:
        raise StartupError(
            f"TELEMETRY=on requires packages that are not installed ({error.name}): "
            "pip install -r requirements-telemetry.txt"
        ) from error
    return Traces()


def telemetry(traces: "Traces | None") -> TelemetryConfig:
    """Return FastAPI's configuration: one span for each request, and none for the functions that it calls."""
    return _OFF if traces is None else {**_OFF, "tracing": True, "operation_spans": False, "tracer_provider": traces}
