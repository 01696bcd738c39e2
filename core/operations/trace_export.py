"""Sending traces to a collector. Needs what `requirements-telemetry.txt` brings."""

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

# Of what the framework tells of a request, what its sender has chosen freely: roll numbers and names, what was searched
# for, words that are no method.
_PRIVATE = ("url.path", "url.query", "http.request.method_original")

# How long the end may wait for a collector that does not answer.
LAST_SECONDS = 3.0


class _Discretion(SpanProcessor):
    """Takes what is private out of a span before anybody else sees it; the route's template stays."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 (the library's)
        for name in _PRIVATE:
            if span.attributes and name in span.attributes:
                span.set_attribute(name, "REDACTED")


class Traces(TracerProvider):
    """What the framework hands its spans to. How many of them are kept, and where they are sent, is up to the standard
    variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_TRACES_SAMPLER`."""

    def __init__(self) -> None:
        own = Resource({"service.name": "student-api", "service.version": VERSION})
        resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())
        super().__init__(resource=resource, shutdown_on_exit=False)
        self.add_span_processor(_Discretion())

    @asynccontextmanager
    async def sent(self) -> AsyncIterator[None]:
        """The time in which they are sent, by a thread in the background; what is left, in the end."""
        self.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        try:
            yield
        finally:
            last = threading.Thread(target=self.shutdown, daemon=True)
            last.start()
            await asyncio.to_thread(last.join, LAST_SECONDS)
