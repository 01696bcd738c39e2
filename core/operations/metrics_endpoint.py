"""`/metrics`, for Prometheus and whoever else reads its formats."""

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
# HELP http_requests_in_flight Requests that are being handled.
# TYPE http_requests_in_flight gauge
http_requests_in_flight 1.0
"""

_FORMATS = {
    media_type: {"schema": {"type": "string"}, "example": _EXAMPLE + end}
    for media_type, end in (("text/plain", ""), ("application/openmetrics-text", "# EOF\n"))
}

_PORT = re.compile(r":\d*\Z")

# What proxies add to a request, or begin the names with of what they add: the client is then not who sits at the other
# end of the connection.
_OF_PROXIES = (
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
    """The metrics are told to callers on the service's own machine only. Ask from there and through no proxy, or let
    the operator set `METRICS_TOKEN`."""

    status = 403
    title = "Metrics are not told here"


class MetricsTokenNeeded(Unauthenticated):
    """The metrics take the token that the operator has set as `METRICS_TOKEN`. Send it as `Authorization: Bearer`."""

    title = "Not the token of the metrics"


@router.get(
    "/metrics",
    response_class=Response,
    responses=problem_responses(MetricsHidden, MetricsTokenNeeded)
    | {200: {"content": _FORMATS, "description": "The metrics, in the format that `Accept` asks for."}},
    openapi_extra={"x-access": "For callers on the service's own machine, or with the service's `METRICS_TOKEN`."},
)
async def metrics(request: Request) -> Response:
    """Tell what the service counts and times, in Prometheus' format.

    Of all workers together. With the setting `METRICS_TOKEN`, which production needs, it takes that as a bearer token;
    without, it answers only those who ask from the same machine and through no proxy.
    """
    check_scraper(request)
    content, media_type = await asyncio.to_thread(_rendered, request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type})


def check_scraper(request: Request) -> None:
    """Raise `MetricsTokenNeeded` or `MetricsHidden` unless this caller may read the metrics."""
    token = current_settings().metrics_token
    if token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.get_secret_value().encode()):
            raise MetricsTokenNeeded(error="invalid_token" if given else None)
    elif not _is_local(request):
        raise MetricsHidden


def _is_local(request: Request) -> bool:
    """Return whether a request comes from this machine, and shows no sign of a proxy. Some proxies leave none, which
    is why production needs the token."""
    address = parse_address(socket_address(request.scope))
    is_loopback = address is not None and address.is_loopback
    return is_loopback and _names_this_machine(request) and not _is_forwarded(request)


def _names_this_machine(request: Request) -> bool:
    """Return whether the `Host` is `localhost` or a loopback address, and no page of another site asks.

    A page in a browser on this machine can have its own host name resolved to 127.0.0.1 and then read the answer (DNS
    rebinding); `Host` then has the page's name.
    """
    name = _PORT.sub("", request.headers.get("host", "")).lower()
    address = parse_address(name.strip("[]"))
    is_ours = name == "localhost" or (address is not None and address.is_loopback)
    return is_ours and "origin" not in request.headers


def _is_forwarded(request: Request) -> bool:
    # nginx with `proxy_pass` alone adds no header, but asks in HTTP/1.0 (before its version 1.29.7).
    is_old = request.scope.get("http_version") == "1.0"
    return is_old or any(name.startswith(_OF_PROXIES) for name in request.headers)


def _rendered(accept: str) -> tuple[bytes, str]:
    """The metrics in the format that is asked for, and that format's media type."""
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        encode, media_type = choose_encoder("")
    return encode(_registry()), media_type


def _registry() -> CollectorRegistry:
    """Where the metrics are. Those of this process alone (memory, CPU, open files) are told only where it is alone."""
    if workers.this is None:
        return REGISTRY
    workers.this.forget_the_dead()
    shared = CollectorRegistry()
    MultiProcessCollector(shared, path=str(workers.this.folder))  # type: ignore[no-untyped-call]  # it has no types
    return shared
