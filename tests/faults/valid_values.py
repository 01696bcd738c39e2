"""Strategies for values that are probably valid: as in the schema, and preferably values that the service returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.contract.documentation import example_of
from tests.contract.operations import Operation, Schema
from tests.faults.known_values import KnownValues

T = TypeVar("T")

# A number that selects one of several values. How many there are depends on earlier responses; what Hypothesis draws
# must not depend on them.
picks = st.integers(0, 99_999)


@dataclass(frozen=True)
class Part:
    """A parameter, a body or a member of one, with an example."""

    name: str
    schema: Schema
    example: Any


def parameters(operation: Operation, place: str) -> list[Part]:
    """Return the parameters in the path, the query or the headers."""
    return [
        Part(one["name"], one["schema"], example_of(operation, one))
        for one in operation.parameters
        if one["in"] == place
    ]


@st.composite
def valid_value(draw: st.DrawFn, operation: Operation, known: KnownValues, part: Part) -> Any:
    """Generate a value for a part of an operation's request."""
    schema = operation.resolved(part.schema)
    if kinds := schema.get("anyOf"):
        return draw(valid_value(operation, known, Part(part.name, draw(st.sampled_from(kinds)), part.example)))
    if schema.get("type") == "null":
        return None
    if choices := _choices(schema):
        return draw(st.sampled_from(choices))
    if schema.get("properties"):
        return draw(_object(operation, known, Part(part.name, schema, part.example)))
    if isinstance(part.example, str):
        return draw(_text(known, part))
    return _pick([part.example, *known.named(part.name)], draw(picks))


def _choices(schema: Schema) -> Sequence[Any]:
    if "const" in schema:
        return [schema["const"]]
    return (True, False) if schema.get("type") == "boolean" else schema.get("enum", ())


@st.composite
def _object(draw: st.DrawFn, operation: Operation, known: KnownValues, part: Part) -> dict[str, Any]:
    shown = part.example if isinstance(part.example, dict) else {}
    made = {}
    for name, schema in part.schema["properties"].items():
        if name in part.schema.get("required", ()) or draw(st.booleans()):
            example = shown.get(name, example_of(operation, {"schema": schema}))
            made[name] = draw(valid_value(operation, known, Part(name, schema, example)))
    return made


@st.composite
def _text(draw: st.DrawFn, known: KnownValues, part: Part) -> str:
    kind, pick = draw(st.integers(0, 9)), draw(picks)
    match kind:
        case 0 | 1 | 2 | 3 | 4:
            return str(_pick(known.named(part.name) or [part.example], pick))
        case 5 | 6 | 7:
            return f"{pick}{part.example}"  # a new value
        case 8:
            return str(_pick(known.texts() or [part.example], pick))
        case _:
            return str(part.example)


def _pick(choices: Sequence[T], pick: int) -> T:
    return choices[pick % len(choices)]
