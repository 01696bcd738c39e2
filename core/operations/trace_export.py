"""The export of traces to a collector. It requires the packages in `requirements-telemetry.txt`."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from core.version import VERSION

# Span attributes that the client can choose freely. They may contain personal data: roll numbers, names, search terms
# and invalid methods.
_PRIVATE = ("url.path", "url.query", "http.request.method_original")

# How long the shutdown waits for a collector that does not respond.
SHUTDOWN_SECONDS = 3.0


class RedactingSpanProcessor(SpanProcessor):
    """A span processor that redacts personal data before a span is exported. The route's template is kept."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 (library signature)
        for name in _PRIVATE:
            if span.attributes and name in span.attributes:
                span.set_attribute(name, "REDACTED")


class Traces(TracerProvider):
    """The tracer provider to which the framework sends its spans.

    Sampling and the collector's address follow OpenTelemetry's standard environment variables, such as
    `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_ENDPOINT`.
    """

    def __init__(self) -> None:
        own = Resource({"service.name": "student-api", "service.version": VERSION})
        resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())
        super().__init__(resource=resource, shutdown_on_exit=False)
        self.add_span_processor(RedactingSpanProcessor())

    @asynccontextmanager
    async def export(self) -> AsyncIterator[None]:
        """Export spans in a background thread for the duration of the context, and the remaining ones at its end."""
        self.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        try:
            yield
        finally:
            shutdown = threading.Thread(target=self.shutdown, daemon=True)
            shutdown.start()
            await asyncio.to_thread(shutdown.join, SHUTDOWN_SECONDS)
