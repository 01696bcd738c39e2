"""Where a request comes from, for whoever counts or records it."""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from core.ip_addresses import Network, parse_address


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The id of a request, and the address of the machine that sent it."""

    request_id: str
    address: str


_current: ContextVar[RequestContext] = ContextVar("caller")

use_request_context = _current.set

# Outside of a request: the command line.
_NOBODY = RequestContext(request_id="-", address="local")


def current_request() -> RequestContext:
    """Who sent the request that is being handled; a command line's caller has the address `local`."""
    return _current.get(_NOBODY)


def socket_address(scope: Scope) -> str:
    """Return the address at the other end of the connection, in the one form that everything else counts and stores:
    see `parse_address`. It is empty where the server knows none, as of a Unix socket."""
    host: str = scope["client"][0] if scope.get("client") else ""
    if ":" not in host:  # IPv4, which has one form only, or a name
        return host
    address = parse_address(host)
    return str(address) if address else host


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """Return the address of the client: that of the socket, unless it is a trusted proxy's, which then says for whom it
    asks in `X-Forwarded-For`. Each proxy appends, so the list is read from its end, up to the first that is not
    trusted: what stands before may be invented."""
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
    """Return the address of `192.0.2.1:4711` or `[2001:db8::1]:4711`, as some proxies write it."""
    found = re.fullmatch(r"\[(.*)\](?::\d+)?|([\d.]+):\d+", text)
    return (found[1] or found[2]) if found else text


def _is_within(text: str, networks: Sequence[Network]) -> bool:
    address = parse_address(text)
    return address is not None and any(address in network for network in networks)
