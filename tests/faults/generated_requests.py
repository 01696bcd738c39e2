"""Strategies for requests of an operation, from its documentation: valid ones, and ones that are wrong on purpose."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from tests.contract.operations import Operation
from tests.faults.bodies import bodies
from tests.faults.http_nonsense import HEADERS, MEDIA, METHODS, TARGETS
from tests.faults.known_values import KnownValues
from tests.faults.nonsense import texts
from tests.faults.valid_values import parameters, picks, valid_value
from tests.faults.wire import Headers, Request

NOBODY, FORGED = "nobody", "forged"
CALLERS = (NOBODY, FORGED, "viewer", "viewer") + ("teacher",) * 6 + ("admin",) * 10

# The parts in which a request is made wrong; in half of the draws, none.
WRONG_PARTS = ("path", "query", "query", "headers", "headers", "body", "body", "body", "media", "target", "method")
WRONG_PART_OR_NONE = ("",) * len(WRONG_PARTS) + WRONG_PARTS


@dataclass(frozen=True)
class GeneratedRequest:
    """A request, its caller, and the parts that are wrong on purpose."""

    operation: Operation
    caller: str
    request: Request
    wrong: frozenset[str]


@st.composite
def generated_request(draw: st.DrawFn, operation: Operation, known: KnownValues) -> GeneratedRequest:
    """Generate a request of an operation."""
    wrong = frozenset({draw(st.sampled_from(WRONG_PART_OR_NONE)), draw(st.sampled_from(WRONG_PART_OR_NONE))})
    method = draw(st.sampled_from(METHODS)) if "method" in wrong else operation.method.encode()
    target = draw(_path(operation, known, "path" in wrong)) + draw(_query(operation, known, "query" in wrong))
    if "target" in wrong:
        position = draw(picks) % (len(target) + 1)
        target = target[:position] + draw(st.sampled_from(TARGETS)) + target[position:]
    media, body = draw(bodies(operation, known, wrong="body" in wrong))
    if "media" in wrong:
        media = draw(st.sampled_from(MEDIA))
    headers = draw(_headers(operation, known, "headers" in wrong))
    typed: Headers = ((b"Content-Type", media.encode("latin-1")),) if media else ()
    chunked = body is not None and draw(st.integers(0, 9)) == 0
    request = Request(method, target, typed + headers, body, chunked)
    return GeneratedRequest(operation, draw(st.sampled_from(CALLERS)), request, wrong)


@st.composite
def _path(draw: st.DrawFn, operation: Operation, known: KnownValues, wrong: bool) -> bytes:
    path = operation.path
    for part in parameters(operation, "path"):
        value = draw(texts if wrong else valid_value(operation, known, part))
        path = path.replace(f"{{{part.name}}}", quote(_bytes(str(value)), safe=""))
    return path.encode()


@st.composite
def _query(draw: st.DrawFn, operation: Operation, known: KnownValues, wrong: bool) -> bytes:
    pairs: list[tuple[str, str]] = []
    for part in parameters(operation, "query"):
        if draw(st.integers(0, 2)) == 0:
            pairs += _pairs(part.name, draw(valid_value(operation, known, part)))
    if wrong:
        pairs.append((draw(_odd_name(operation, pairs)), draw(texts)))
        pairs += pairs[:1] * draw(st.sampled_from((0, 0, 1, 30)))
    encoded = urlencode([(_bytes(name), _bytes(text)) for name, text in pairs])
    return b"?" + encoded.encode() if pairs else b""


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a value as query parameters: each member of an object is a parameter of its own."""
    if isinstance(value, dict):
        yield from ((member, str(one)) for member, one in value.items())
    elif isinstance(value, list):
        yield from ((name, str(one)) for one in value)
    else:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _odd_name(operation: Operation, pairs: list[tuple[str, str]]) -> st.SearchStrategy[str]:
    """Generate the name of a parameter, such a name with a random text in it, or only a random text."""
    names = [part.name for part in parameters(operation, "query")] + [name for name, _ in pairs]
    if not names:
        return texts
    correct = st.sampled_from(names)
    distorted = st.builds(lambda name, odd: f"{name.replace('.', f'.{odd}', 1)}.{odd}", correct, texts)
    return st.one_of(correct, correct, texts, distorted)


@st.composite
def _headers(draw: st.DrawFn, operation: Operation, known: KnownValues, wrong: bool) -> Headers:
    documented = parameters(operation, "header")
    given = [part for part in documented if draw(st.integers(0, 3)) == 0]
    headers = [(part.name, str(draw(valid_value(operation, known, part)))) for part in given]
    for _ in range(draw(st.integers(1, 2)) if wrong else 0):
        name = draw(st.sampled_from([*HEADERS, *(part.name for part in documented)]))
        headers.append((name, draw(st.sampled_from(HEADERS.get(name, ("",))) | texts)))
        headers += [("Connection", "upgrade")] if name == "Upgrade" else []
    # A line break would end the header, and begin another request.
    return tuple((name.encode(), _bytes(text).translate(None, b"\r\n")) for name, text in headers)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
