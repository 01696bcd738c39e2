"""The route `/openapi.json`: the document with the address at which it was requested, an entity tag, and compressed."""

import gzip
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json

from core.api import IfNoneMatch, not_modified
from core.openapi.code_samples import ADDRESS

_HOST = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?")

# A client can send any Host, so only the documents for the last few addresses are kept.
_MAX_ADDRESSES = 8


@dataclass(frozen=True, slots=True)
class _Document:
    """The document for one address in both forms, and the entity tag of both, which is weak for that reason."""

    plain: bytes
    compressed: bytes
    etag: str


def install_document_route(app: FastAPI) -> None:
    """Serve the OpenAPI document of the app at `/openapi.json`."""

    @cache
    def template() -> bytes:
        return to_json(app.openapi())

    @lru_cache(_MAX_ADDRESSES)
    def document(address: str) -> _Document:
        plain = template().replace(ADDRESS.encode(), address.encode())
        etag = f'W/"{blake2b(plain, digest_size=15).hexdigest()}"'
        return _Document(plain, gzip.compress(plain, mtime=0), etag)

    # Not a coroutine, so that it runs in a thread: a client that sends ever new hosts makes it compress each time.
    @app.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request, known: IfNoneMatch) -> Response:
        found = document(_address_of(request))
        response = not_modified(found.etag, known) or _whole(found, is_compressed=_accepts_gzip(request))
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        return response


def _address_of(request: Request) -> str:
    """Return the address at which the client reaches the service, or `ADDRESS` if the `Host` is not a plain one.

    The address ends up in shell commands. `X-Forwarded-Proto` is believed from everyone, because it changes nothing but
    the document of the client that sends it.
    """
    host = request.headers.get("Host", "")
    if not _HOST.fullmatch(host):
        return ADDRESS
    is_https = "https" in (request.url.scheme, request.headers.get("X-Forwarded-Proto"))
    return f"http{'s' * is_https}://{host}{quote(request.scope.get('root_path', ''))}"


def _accepts_gzip(request: Request) -> bool:
    """Return whether `Accept-Encoding` names gzip with a weight other than zero (RFC 9110, section 12.5.3)."""
    codings = ",".join(request.headers.getlist("Accept-Encoding")).replace(" ", "").lower().split(",")
    return any(re.fullmatch(r"gzip(;q=(1(\.0*)?|0\.0*[1-9]\d*))?", coding) for coding in codings)


def _whole(found: _Document, *, is_compressed: bool) -> Response:
    headers = {"ETag": found.etag, **({"Content-Encoding": "gzip"} if is_compressed else {})}
    content = found.compressed if is_compressed else found.plain
    return Response(content, media_type="application/json", headers=headers)
