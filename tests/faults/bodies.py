"""Strategies for bodies of requests: as documented, or wrong."""

from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from tests.contract.documentation import example_of
from tests.contract.operations import Operation
from tests.faults.http_nonsense import MEDIA
from tests.faults.known_values import KnownValues
from tests.faults.nonsense import as_json, broken_json, corrupted, floods, texts, values
from tests.faults.valid_values import Part, valid_value

# More bytes than a body may have.
PADDING = b" " * 1_000_001

# How a JSON object is made wrong: one of its members, or the whole body.
WRONG_MEMBERS = ("change", "change", "change", "change", "add inside", "add", "remove", "duplicate")
WRONG_BODIES = ("other", "broken", "corrupted", "flood")


@st.composite
def bodies(draw: st.DrawFn, operation: Operation, known: KnownValues, *, wrong: bool) -> tuple[str, bytes | None]:
    """Generate a media type and a body. If the operation takes no body, there is one only if `wrong` is set."""
    if not operation.body:
        return (draw(st.sampled_from(MEDIA)), draw(broken_json)) if wrong else ("", None)
    media = draw(st.sampled_from(sorted(operation.body)))
    part = Part("", operation.body[media].get("schema", {}), example_of(operation, operation.body[media]))
    value = part.example if isinstance(part.example, str) else draw(valid_value(operation, known, part))
    if wrong and "json" in media and not isinstance(value, str):
        return media, draw(_wrong_json(value))
    media, written = _written(media, value)
    written += PADDING if draw(st.integers(0, 499)) == 0 else b""
    return media, draw(corrupted(written)) if wrong else written


def _written(media: str, value: Any) -> tuple[str, bytes]:
    if isinstance(value, str):
        return media, value.encode()
    if "json" in media:
        return media, as_json(value, ascii_only=True)
    if "multipart" in media:
        return f"{media}; boundary=limit", _form(value)
    return media, urlencode({name: str(one) for name, one in value.items()}).encode()


def _form(files: dict[str, Any]) -> bytes:
    head = '--limit\r\nContent-Disposition: form-data; name="{0}"; filename="{0}.csv"\r\n\r\n'
    parts = [f"{head.format(name)}{content}\r\n" for name, content in files.items()]
    return "".join([*parts, "--limit--\r\n"]).encode()


@st.composite
def _wrong_json(draw: st.DrawFn, value: Any) -> bytes:
    ascii_only = draw(st.booleans())
    has_members = isinstance(value, dict) and value
    match kind := draw(st.sampled_from(WRONG_MEMBERS + WRONG_BODIES if has_members else WRONG_BODIES)):
        case "broken":
            return draw(broken_json)
        case "corrupted":
            return draw(corrupted(as_json(value, ascii_only=True)))
        case "flood" if draw(st.integers(0, 3)) == 0:  # these take long
            return as_json(draw(floods), ascii_only=ascii_only)
        case "flood" | "other":
            return as_json(draw(values), ascii_only=ascii_only)
        case "duplicate":
            again = as_json({draw(st.sampled_from(sorted(value))): draw(values)}, ascii_only=ascii_only)
            return as_json(value, ascii_only=ascii_only)[:-1] + b"," + again[1:]
        case _:
            return as_json(draw(_changed(value, kind)), ascii_only=ascii_only)


@st.composite
def _changed(draw: st.DrawFn, value: dict[str, Any], kind: str) -> dict[str, Any]:
    """Generate an object with one member changed, added, added inside another one, or removed."""
    name, odd = draw(st.sampled_from(sorted(value))), draw(values)
    match kind:
        case "change":
            return value | {name: odd}
        case "remove":
            return {other: one for other, one in value.items() if other != name}
        case "add inside" if isinstance(value[name], dict):
            return value | {name: value[name] | {draw(texts): odd}}
        case _:
            return value | {draw(texts): odd}
