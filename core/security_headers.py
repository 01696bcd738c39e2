"""Headers that tell browsers to be careful with every answer."""

from collections.abc import Sequence

from starlette.types import Scope

Header = tuple[bytes, bytes]

_EVERYWHERE: Sequence[Header] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_OVER_TLS: Sequence[Header] = (*_EVERYWHERE, (b"strict-transport-security", b"max-age=31536000"))


def security_headers(scope: Scope) -> Sequence[Header]:
    """Those for the answer to a request. Browsers are told to insist on TLS only over TLS (RFC 6797, section 7.2): by
    the service where it holds the certificate itself, else by the proxy that does, which alone knows."""
    return _OVER_TLS if scope.get("scheme") == "https" else _EVERYWHERE
