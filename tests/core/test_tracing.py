"""Tests of the traces that a collector receives from real service processes."""

import gzip
import importlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from core.app import create_app
from core.errors import StartupError
from core.settings import Settings
from tests.core.stubs import things
from tests.processes import ROOT
from tests.servers import serve

pytestmark = pytest.mark.process

needs_sdk = pytest.mark.needs("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto")

ALICE = {"username": "alice", "password": "hunter2-giraffe-9"}


class Collector(ThreadingHTTPServer):
    """A collector that stores the data it receives by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _CollectorHandler)
        self.bodies: list[bytes] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[dict[str, Any]]:
        """Return the name and the attributes of each received span."""
        messages: Any = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        requests = [messages.ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        found = [
            span for one in requests for of in one.resource_spans for sent in of.scope_spans for span in sent.spans
        ]
        return [{"name": span.name} | {one.key: _value(one.value) for one in span.attributes} for span in found]


class _CollectorHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        assert self.path == "/v1/traces"
        self.server.bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _value(value: Any) -> object:
    return getattr(value, value.WhichOneof("value"))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@needs_sdk
@pytest.mark.parametrize("workers", ["1", "2"])
def test_spans_have_route_method_and_status_and_no_personal_data(
    tmp_path: Path, collector: Collector, workers: str
) -> None:
    given = {"TELEMETRY": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "WORKERS": workers}
    with serve(tmp_path, **given) as server, server.client() as client:
        client.post("/register", json=ALICE | {"email": "hunter2@example.com"})
        token = client.post("/login", data=ALICE).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        body = {"roll_no": "hunter2-roll", "name": "hunter2", "branch": "b"}
        assert client.post("/students", json=body).status_code == 201
        assert client.get("/students/hunter2-roll").status_code == 200
        assert client.get("/students?q=hunter2&limit=x").status_code == 422
        assert client.get("/nowhere/hunter2?key=hunter2").status_code == 404
        assert client.request("TRACE", "/students/hunter2-roll").status_code == 405
        assert server.stop() == 0
    spans = {(one["name"], one.get("http.route"), one["http.response.status_code"]) for one in collector.spans()}
    assert spans >= {
        ("POST /register", "/register", 201),
        ("POST /login", "/login", 200),
        ("POST /students", "/students", 201),
        ("GET /students/{roll_no}", "/students/{roll_no}", 200),
        ("GET /students", "/students", 422),
        ("GET", None, 404),
        ("TRACE /students/{roll_no}", "/students/{roll_no}", 405),
    }
    everything = b"".join(collector.bodies)
    assert not [secret for secret in (b"hunter2", token.encode(), b"alice") if secret in everything]
    assert b"student-api" in everything


@needs_sdk
@pytest.mark.parametrize("accepts", [False, True], ids=["gone", "silent"])
def test_an_unreachable_or_silent_collector_delays_nothing(tmp_path: Path, accepts: bool) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        if not accepts:
            listening.close()
        options = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
        with serve(tmp_path, TELEMETRY="on", **options) as server, server.client() as client:
            assert client.get("/healthz").status_code == 200
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) == 0  # the last export may take three seconds of that


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.operations.trace_export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(StartupError, match=r"TELEMETRY.*requirements-telemetry\.txt"):
        create_app(Settings(telemetry="on"), [things()])


def test_by_default_tracing_is_off_and_the_sdk_is_not_imported() -> None:
    program = """if True:
        import sys
        from opentelemetry import trace
        from core.app import create_app
        trace.set_tracer_provider(trace.NoOpTracerProvider())  # as other code in the process may do
        print(create_app()._native_telemetry.enabled())
        print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))])
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n[]\n"
