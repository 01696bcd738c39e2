"""Security and cache headers of every response."""

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
    """Return the headers to add to a response that has these `headers`.

    `Strict-Transport-Security` is sent only over TLS (RFC 6797, section 7.2). If a proxy holds the certificate, the
    proxy must send it, because only the proxy knows about TLS. Responses without a `Cache-Control` of their own get
    `no-store`, because nearly all of them contain personal data, errors included (RFC 9111, section 5.2.2.5).
    """
    added = _OVER_TLS if scope.get("scheme") == "https" else _EVERYWHERE
    return added if any(name == b"cache-control" for name, _ in headers) else (*added, _NO_STORE)
