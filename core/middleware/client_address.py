"""The id of the current request and the IP address of its client."""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from core.ip_addresses import Network, parse_address


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The id of a request and the IP address of its client."""

    request_id: str
    address: str


_current: ContextVar[RequestContext] = ContextVar("request_context")

use_request_context = _current.set

# The context outside of a request, such as in a command.
_NO_REQUEST = RequestContext(request_id="-", address="local")


def current_request() -> RequestContext:
    """Return the context of the request being handled. Outside of a request, the address is `local`."""
    return _current.get(_NO_REQUEST)


def socket_address(scope: Scope) -> str:
    """Return the peer address of the connection in its canonical form (see `parse_address`).

    The address is empty if the server knows none, such as for a Unix socket.
    """
    host: str = scope["client"][0] if scope.get("client") else ""
    if ":" not in host:  # a name, or IPv4, which has only one form
        return host
    address = parse_address(host)
    return str(address) if address else host


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """Return the IP address of the client.

    This is the socket's address, unless that is a trusted proxy's: the client is then found in `X-Forwarded-For`. Each
    proxy appends the address of its own peer, so the list is read from the end up to the first address that is not a
    trusted proxy; everything before it may be forged.
    """
    address = socket_address(scope)
    if not trusted_proxies:
        return address
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    while forwarded and _is_within(address, trusted_proxies):
        named = parse_address(_without_port(forwarded.pop().strip()))
        if named is None:
            break
        address = str(named)
    return address


def _without_port(text: str) -> str:
    """Remove the port that some proxies add, as in `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    found = re.fullmatch(r"\[(.*)\](?::\d+)?|([\d.]+):\d+", text)
    return (found[1] or found[2]) if found else text


def _is_within(text: str, networks: Sequence[Network]) -> bool:
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
