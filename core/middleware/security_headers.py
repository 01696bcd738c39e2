"""Headers that tell browsers and caches to be careful with every answer."""

from collections.abc import Sequence

from starlette.types import Scope

Header = tuple[bytes, bytes]

_EVERYWHERE: Sequence[Header] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_OVER_TLS: Sequence[Header] = (*_EVERYWHERE, (b"strict-transport-security", b"max-age=31536000"))


_NO_STORE: Header = (b"cache-control", b"no-store")


def security_headers(scope: Scope, headers: Sequence[Header]) -> Sequence[Header]:
    """Return those to add to the `headers` of the answer to a request.

    Browsers are told to insist on TLS only over TLS (RFC 6797, section 7.2): by the service where it holds the
    certificate itself, else by the proxy that does, which alone knows. No cache keeps an answer unless that has a
    `Cache-Control` of its own: nearly all of them are personal, errors too (RFC 9111, section 5.2.2.5).
    """
    careful = _OVER_TLS if scope.get("scheme") == "https" else _EVERYWHERE
    return careful if any(name == b"cache-control" for name, _ in headers) else (*careful, _NO_STORE)
