"""The endpoint `/metrics` for Prometheus and other tools that read its formats."""

import asyncio
import hmac
import re

from fastapi import Request, Response
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from core.api import problem_responses
from core.errors import Problem, Unauthenticated
from core.ip_addresses import parse_address
from core.metrics import workers
from core.middleware import socket_address
from core.routing import PublicRouter
from core.settings import current_settings

router = PublicRouter()

_EXAMPLE = """\
# HELP http_requests_in_flight HTTP requests in progress.
# TYPE http_requests_in_flight gauge
http_requests_in_flight 1.0
"""

_FORMATS = {
    media_type: {"schema": {"type": "string"}, "example": _EXAMPLE + end}
    for media_type, end in (("text/plain", ""), ("application/openmetrics-text", "# EOF\n"))
}

_PORT = re.compile(r":\d*\Z")

# Names, or prefixes of names, of the headers that proxies add. A request with one of them comes through a proxy, so the
# peer of the connection is not the client.
_PROXY_HEADERS = (
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-",
    "x-forwarded",
    "x-original-",
    "x-real-ip",
)


class MetricsHidden(Problem):
    """The metrics are available only to clients on the service's own machine. Send the request from there without a
    proxy, or ask the operator to set `METRICS_TOKEN`."""

    status = 403
    title = "Metrics are restricted to localhost"


class MetricsTokenNeeded(Unauthenticated):
    """The metrics require the token that the operator set as `METRICS_TOKEN`. Send it as `Authorization: Bearer`."""

    title = "Invalid metrics token"


@router.get(
    "/metrics",
    response_class=Response,
    responses=problem_responses(MetricsHidden, MetricsTokenNeeded)
    | {200: {"content": _FORMATS, "description": "The metrics, in the format requested by `Accept`."}},
    openapi_extra={"x-access": "Requires the service's `METRICS_TOKEN`, or a client on the service's own machine."},
)
async def metrics(request: Request) -> Response:
    """Read the metrics of the service in Prometheus format.

    The metrics cover all workers. If `METRICS_TOKEN` is set, as production requires, send it as a bearer token.
    Otherwise, only clients on the same machine that use no proxy can read the metrics.
    """
    check_scraper(request)
    content, media_type = await asyncio.to_thread(_render, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})


def check_scraper(request: Request) -> None:
    """Raise `MetricsTokenNeeded` or `MetricsHidden` unless the client may read the metrics."""
    token = current_settings().metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
            raise MetricsTokenNeeded(error="invalid_token" if given else None)
    elif not _is_local(request):
        raise MetricsHidden


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine, with no sign of a proxy.

    Some proxies cannot be detected, so production requires the token.
    """
    address = parse_address(socket_address(request.scope))
    is_loopback = address is not None and address.is_loopback
    return is_loopback and _names_this_machine(request) and not _is_forwarded(request)


def _names_this_machine(request: Request) -> bool:
    """Return whether the `Host` is `localhost` or a loopback address, and the request has no `Origin`.

    A web page in a browser on this machine can resolve its own host name to 127.0.0.1 and then read the response (DNS
    rebinding). `Host` then contains the page's host name.
    """
    name = _PORT.sub("", request.headers.get("host", "")).lower()
    address = parse_address(name.strip("[]"))
    is_local_name = name == "localhost" or (address is not None and address.is_loopback)
    return is_local_name and "origin" not in request.headers


def _is_forwarded(request: Request) -> bool:
    # nginx with `proxy_pass` alone adds no header, but sends HTTP/1.0 (before version 1.29.7).
    is_http_1_0 = request.scope.get("http_version") == "1.0"
    return is_http_1_0 or any(name.startswith(_PROXY_HEADERS) for name in request.headers)


def _render(accept: str) -> tuple[bytes, str]:
    """Return the metrics in the requested format, and the media type of the format."""
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # an invalid version number
        encode, media_type = choose_encoder("")
    return encode(_registry()), media_type


def _registry() -> CollectorRegistry:
    """Return the registry of the metrics.

    Process metrics (memory, CPU, open files) are included only if this process is the only one.
    """
    if workers.current is None:
        return REGISTRY
    workers.current.remove_dead_workers()
    shared = CollectorRegistry()
    MultiProcessCollector(shared, path=str(workers.current.folder))  # type: ignore[no-untyped-call]  # it has no types
    return shared
