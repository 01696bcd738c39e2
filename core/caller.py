"""Where a request comes from, for whoever counts or records it."""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Caller:
    """The id of a request, and the address of the machine that sent it."""

    request_id: str
    address: str


_current: ContextVar[Caller] = ContextVar("caller")

use_caller = _current.set

# Outside of a request: the command line.
_NOBODY = Caller(request_id="-", address="local")


def current_caller() -> Caller:
    """Who sent the request that is being handled; a command line's caller has the address `local`."""
    return _current.get(_NOBODY)


def client_address(scope: Scope, trusted_proxies: Sequence[Network]) -> str:
    """The address of the client: that of the socket, unless it is a trusted proxy's, which then says for whom it
    asks in `X-Forwarded-For`. Each proxy appends, so the list is read from its end, up to the first that is not
    trusted: what stands before may be invented."""
    address: str = scope["client"][0] if scope.get("client") else ""
    if not trusted_proxies:
        return address
    forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    while forwarded and _is_within(address, trusted_proxies):
        named = forwarded.pop().strip()
        if not _is_address(named):
            break
        address = named
    return address


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
