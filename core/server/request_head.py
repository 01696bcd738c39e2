"""What the head of a request must say so that nobody is in doubt for whom it is and where it ends (RFC 9112).

The parser (llhttp) refuses most of what is ambiguous by itself: two lengths, a length beside a transfer encoding,
spaces before a colon, line ends that are none.
"""

import logging
import re
from collections.abc import Sequence

import httptools

from core.errors import BadRequest, HttpProblem, InternalError, Problem

log = logging.getLogger(__name__)

# The most bytes of a request line with its headers; also of what else stands around a body.
MAX_HEAD = 32_768

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
_FRAMING = frozenset({b"host", b"transfer-encoding"})
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})


def problem_of(error: httptools.HttpParserError) -> Problem:
    """What is wrong with a request that the parser, or one of its callbacks, stopped at."""
    match error.__context__:  # of what one of our callbacks raised
        case None:
            return BadRequest(f"This is not HTTP: {error}.")
        case Problem() as problem:
            return problem
        case httptools.HttpParserInvalidURLError():
            return BadRequest("The address of the request cannot be read.")
        case unexpected:
            log.error("Unhandled error", exc_info=unexpected)
            return InternalError()


def too_large() -> Problem:
    """Of a head that has more than `MAX_HEAD` bytes."""
    return HttpProblem(431, f"The request line and the headers may have at most {MAX_HEAD} bytes together.")


def check_framing(headers: Sequence[tuple[bytes, bytes]], version: str) -> None:
    """Raise a problem with what tells for whom a request is and where it ends (RFC 9112, sections 3.2 and 6.1)."""
    found = [(name, value) for name, value in headers if name in _FRAMING]
    hosts = [value for name, value in found if name == b"host"]
    if len(hosts) != 1 and (hosts or version != "1.0"):
        raise BadRequest("A request has exactly one Host header.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequest("The Host header is no name of a host.")
    if len(found) > len(hosts):
        if version == "1.0":
            raise BadRequest("HTTP/1.0 knows no Transfer-Encoding.")
        if any(name != b"host" and value.lower() != b"chunked" for name, value in found):
            raise HttpProblem(501, "Of transfer encodings, only chunked is known.")


def check_offer(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise a problem with a body that comes with the offer of another protocol: the parser takes it for the beginning
    of that, so it would be read as a request."""
    if any(name in _OF_BODIES and value != b"0" for name, value in headers):
        raise BadRequest("The offer of another protocol (Upgrade) cannot come with a body.")
