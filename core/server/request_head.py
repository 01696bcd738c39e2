"""Checks of the request head that prevent request smuggling: its target host and its length must be unambiguous
(RFC 9112).

The parser (llhttp) already rejects most ambiguous requests: two lengths, a length together with a transfer encoding,
spaces before a colon, invalid line ends.
"""

import logging
import re
from collections.abc import Sequence

import httptools

from core.errors import BadRequest, HttpProblem, InternalError, Problem

log = logging.getLogger(__name__)

# The maximum size of the request line and the headers together, in bytes; also that of chunk headers and trailers.
MAX_HEAD = 32_768

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_FRAMING = frozenset({b"host", b"transfer-encoding"})
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


def problem_of(error: httptools.HttpParserError) -> Problem:
    """Return the problem for an error raised by the parser or by one of its callbacks."""
    match error.__context__:  # the exception that one of our callbacks raised
        case None:
            return BadRequest(
                "The request is not valid HTTP/1.1 (RFC 9112). Check its request line, its headers and its length."
            )
        case Problem() as problem:
            return problem
        case httptools.HttpParserInvalidURLError():
            return BadRequest("The request target is not a valid URL.")
        case unexpected:
            log.error("Unhandled error", exc_info=unexpected)
            return InternalError()


def too_large() -> Problem:
    """Return the problem for a request head of more than `MAX_HEAD` bytes."""
    return HttpProblem(431, f"The request line and the headers must not exceed {MAX_HEAD} bytes in total.")


def check_framing(headers: Sequence[tuple[bytes, bytes]], version: str) -> None:
    """Raise a problem if the Host or the Transfer-Encoding header is invalid (RFC 9112, sections 3.2 and 6.1)."""
    found = [(name, value) for name, value in headers if name in _FRAMING]
    hosts = [value for name, value in found if name == b"host"]
    if len(hosts) != 1 and (hosts or version != "1.0"):
        raise BadRequest("A request must have exactly one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The Host header is not a valid host name.")
    if len(found) > len(hosts):
        if version == "1.0":
            raise BadRequest("HTTP/1.0 does not support Transfer-Encoding.")
        if any(name != b"host" and value.lower() != b"chunked" for name, value in found):
            raise HttpProblem(501, "The only supported transfer encoding is chunked.")


def check_upgrade(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise a problem if a request that offers another protocol (Upgrade) has a body.

    The parser treats such a body as data of the new protocol, so it would be parsed as the next request.
    """
    if any(name in _BODY_HEADERS and value != b"0" for name, value in headers):
        raise BadRequest("A request that offers another protocol (Upgrade) must not have a body.")
