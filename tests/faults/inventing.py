"""Requests that are made up from an operation's documentation: sensible, or wrong in a place or two."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.contract.operations import Operation
from tests.faults.bodies import bodies
from tests.faults.http_nonsense import HEADERS, MEDIA, METHODS, TARGETS
from tests.faults.known import Known
from tests.faults.nonsense import texts
from tests.faults.sensible import parameters, picks, sensible
from tests.faults.wire import Headers, Request

NOBODY, FORGED = "nobody", "forged"
CALLERS = (NOBODY, FORGED, "viewer", "viewer") + ("teacher",) * 6 + ("admin",) * 10

# Where a request is made wrong; every second time nowhere.
PLACES = ("path", "query", "query", "headers", "headers", "body", "body", "body", "media", "target", "method")
SPOTS = ("",) * len(PLACES) + PLACES


@dataclass(frozen=True)
class Invented:
    """A request, of whom it is, and where it was made wrong on purpose."""

    operation: Operation
    caller: str
    request: Request
    wrong: frozenset[str]


@st.composite
def invented(draw: st.DrawFn, operation: Operation, known: Known) -> Invented:
    """A request of an operation."""
    wrong = frozenset({draw(st.sampled_from(SPOTS)), draw(st.sampled_from(SPOTS))})
    method = draw(st.sampled_from(METHODS)) if "method" in wrong else operation.method.encode()
    target = draw(_path(operation, known, "path" in wrong)) + draw(_query(operation, known, "query" in wrong))
    if "target" in wrong:
        place = draw(picks) % (len(target) + 1)
        target = target[:place] + draw(st.sampled_from(TARGETS)) + target[place:]
    media, body = draw(bodies(operation, known, wrong="body" in wrong))
    if "media" in wrong:
        media = draw(st.sampled_from(MEDIA))
    headers = draw(_headers(operation, known, "headers" in wrong))
    typed: Headers = ((b"Content-Type", media.encode("latin-1")),) if media else ()
    chunked = body is not None and draw(st.integers(0, 9)) == 0
    request = Request(method, target, typed + headers, body, chunked)
    return Invented(operation, draw(st.sampled_from(CALLERS)), request, wrong)


@st.composite
def _path(draw: st.DrawFn, operation: Operation, known: Known, wrong: bool) -> bytes:
    path = operation.path
    for part in parameters(operation, "path"):
        value = draw(texts if wrong else sensible(operation, known, part))
        path = path.replace(f"{{{part.name}}}", quote(_bytes(str(value)), safe=""))
    return path.encode()


@st.composite
def _query(draw: st.DrawFn, operation: Operation, known: Known, wrong: bool) -> bytes:
    pairs: list[tuple[str, str]] = []
    for part in parameters(operation, "query"):
        if draw(st.integers(0, 2)) == 0:
            pairs += _pairs(part.name, draw(sensible(operation, known, part)))
    if wrong:
        pairs.append((draw(_odd_name(operation, pairs)), draw(texts)))
        pairs += pairs[:1] * draw(st.sampled_from((0, 0, 1, 30)))
    encoded = urlencode([(_bytes(name), _bytes(text)) for name, text in pairs])
    return b"?" + encoded.encode() if pairs else b""


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value of a query parameter as it is written: each member of an object is a parameter."""
    if isinstance(value, dict):
        yield from ((member, str(one)) for member, one in value.items())
    elif isinstance(value, list):
        yield from ((name, str(one)) for one in value)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _odd_name(operation: Operation, pairs: list[tuple[str, str]]) -> st.SearchStrategy[str]:
    """The name of a parameter, perhaps with nonsense in it, or nothing but nonsense."""
    names = [part.name for part in parameters(operation, "query")] + [name for name, _ in pairs]
    if not names:
        return texts
    right = st.sampled_from(names)
    spoilt = st.builds(lambda name, odd: f"{name.replace('.', f'.{odd}', 1)}.{odd}", right, texts)
    return st.one_of(right, right, texts, spoilt)


@st.composite
def _headers(draw: st.DrawFn, operation: Operation, known: Known, wrong: bool) -> Headers:
    documented = parameters(operation, "header")
    given = [part for part in documented if draw(st.integers(0, 3)) == 0]
    headers = [(part.name, str(draw(sensible(operation, known, part)))) for part in given]
    for _ in range(draw(st.integers(1, 2)) if wrong else 0):
        name = draw(st.sampled_from([*HEADERS, *(part.name for part in documented)]))
        headers.append((name, draw(st.sampled_from(HEADERS.get(name, ("",))) | texts)))
        headers += [("Connection", "upgrade")] if name == "Upgrade" else []
    # A line break would end the header, and begin another request.
    return tuple((name.encode(), _bytes(text).translate(None, b"\r\n")) for name, text in headers)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
