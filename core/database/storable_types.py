"""Which types the fields of a document may have: those with values that can be stored, and be read again.

The types are found in pydantic's core schema of the document, in which all ways to write a type look alike:
https://docs.pydantic.dev/latest/api/pydantic_core_schema/
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import combinations
from pathlib import PurePath
from typing import Any, get_args, get_origin
from zoneinfo import ZoneInfo

from beanie import DecimalAnnotation, Document, Link
from bson import Binary, DBRef, Decimal128, Int64, ObjectId, Regex
from pydantic import (
    EncodedBytes,
    EncodedStr,
    FutureDate,
    Json,
    NaiveDatetime,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
)
from pydantic_core import MultiHostUrl

# Types of the core schema that Beanie does not store, or stores in a form that validation refuses.
_UNSTORABLE: Mapping[str, Any] = {
    "time": time,
    "decimal": Decimal,
    "complex": complex,
    "fraction": Fraction,
    "callable": Callable,
    "is-subclass": type,
    "generator": Iterable,
    "multi-host-url": MultiHostUrl,
    "json": Json,
}
# Likewise, but the core schema does not name them.
_OPAQUE = (re.Pattern, ZoneInfo, Secret)
# Classes whose instances are stored as they are, or that Beanie's encoder converts.
_INSTANCES = (ObjectId, Binary, Decimal128, Int64, Regex, DBRef, Link, PurePath, SecretStr, SecretBytes)
# Types that are stored as another one, which strict validation refuses.
_CONVERTED = {"date", "timedelta", "uuid", "url", "enum", "set", "frozenset", "tuple", "deque", "lax-or-strict"}
_NO_KEYS = {"any", "bytes", "none", "nullable", "tuple", "frozenset", "named-tuple", "model"}
# Types of which one is stored as the other, so that it would be read as the other.
_ARRAYS = ("list", "set", "frozenset", "tuple", "deque", "named-tuple")
_AMBIGUOUS: Sequence[Set[str]] = (
    {"date", "datetime"},
    *({"timedelta", other} for other in ("int", "float", "date", "datetime")),
    *({"str", other} for other in ("url", "path or address", "enum of str")),
    *({"enum of int", other} for other in ("int", "float")),
    {"enum of float", "float"},
    *map(set, combinations(_ARRAYS, 2)),
)
# The parts of a schema that do not concern the validation of stored values.
_SKIPPED = {"config", "default", "function", "json_schema", "keys_schema", "metadata", "serialization", "strict_schema"}

_read_decimal = get_args(DecimalAnnotation)[1].func

Schema = dict[str, Any]
Found = Iterator[tuple[str, Any]]


def unstorable_fields(document: type[Document]) -> dict[str, str]:
    """Return the fields, such as `place.opens`, whose type has values that cannot be stored or not be read again, each
    with the name of that type.

    The document is responsible for the types that `bson_encoders` of its `Settings` names.
    """
    own = tuple(getattr(getattr(document, "Settings", None), "bson_encoders", ()))
    schema: Any = TypeAdapter(document).core_schema
    enums = {one["ref"]: one for one in schema.get("definitions", ()) if one["type"] == "enum"}
    found = _walk(_inlined(schema, enums) if enums else schema, "", strict=False)
    return {
        path: str(getattr(kind, "__name__", kind))
        for path, kind in found
        if path != "revision_id"  # Beanie's own, and not used
        and not (isinstance(kind, type) and issubclass(kind, own))
    }


def _inlined(node: Any, definitions: Mapping[str, Schema]) -> Any:
    """Return a copy of a core schema that has these definitions in place of the references to them."""
    if isinstance(node, list | tuple):
        return type(node)(_inlined(part, definitions) for part in node)
    if not isinstance(node, dict):
        return node
    if node.get("type") == "definition-ref":
        return definitions.get(node["schema_ref"], node)
    return {name: _inlined(part, definitions) for name, part in node.items()}


def _walk(node: Any, path: str, *, strict: bool) -> Found:
    """Yield the unstorable types in a part of a core schema, which belongs to the field at `path`."""
    if isinstance(node, list | tuple):
        for part in node:
            yield from _walk(part, path, strict=strict)
    elif isinstance(node, dict) and isinstance(node.get("type"), str):
        yield from _of_type(node, path, strict=node.get("strict", node.get("config", {}).get("strict", strict)))
    elif isinstance(node, dict):  # the fields of a model, or the choices of a union
        for name, part in node.items():
            is_field = isinstance(part, dict) and str(part.get("type")).endswith("-field")
            yield from _walk(part, f"{path}.{name}".lstrip(".") if is_field else path, strict=strict)


def _of_type(node: Schema, path: str, *, strict: bool) -> Found:
    if (wrong := _wrong(node, strict=strict)) is not None:
        yield path, wrong
        return
    function = node.get("function", {}).get("function")
    if isinstance(getattr(function, "__self__", None), EncodedBytes | EncodedStr):
        yield path, "Base64"  # would be decoded once more when it is read
    elif function is not _read_decimal:
        for part in [part for key, part in node.items() if key not in _SKIPPED]:
            yield from _walk(part, path, strict=strict)
    if node["type"] == "model":
        for name, field in node["cls"].model_fields.items():
            yield from ((f"{path}.{name}".lstrip("."), kind) for kind in _opaque_in(field.annotation))


def _wrong(node: Schema, *, strict: bool) -> Any:
    """Return the type of this node, or words for it, if its values cannot be stored or not be read again; else None."""
    kind, wrong = node["type"], _UNSTORABLE.get(node["type"])
    match node:
        case {"type": "enum", "cls": cls} if not all(isinstance(one.value, str | int | float) for one in cls):
            wrong = cls
        case {"type": "literal", "expected": expected} if any(isinstance(one, Enum) for one in expected):
            wrong = "a Literal of an Enum"
        case {"type": "datetime", "tz_constraint": "naive"}:
            wrong = NaiveDatetime
        case {"now_op": "future"}:
            wrong = FutureDate
        case {"type": "dataclass", "cls": cls}:
            wrong = cls
        case {"type": "is-instance", "cls": type() as cls} if not issubclass(cls, _INSTANCES):
            wrong = cls
        case {"keys_schema": keys} if any(map(_is_no_key, _leaves(keys))):
            wrong = f"a {kind} with such keys"
        case {"type": "union", "choices": choices} if _is_ambiguous(choices):
            wrong = "a union of types of which one is stored as the other"
    return f"a strict {kind}" if strict and kind in _CONVERTED else wrong


def _leaves(node: Any) -> Iterator[Schema]:
    """Yield the schemas inside of validators and unions."""
    if isinstance(node, tuple):
        yield from _leaves(node[0])
    elif "choices" in node:
        for choice in node["choices"]:
            yield from _leaves(choice)
    elif "schema" in node:
        yield from [node] if node["type"] == "nullable" else []
        yield from _leaves(node["schema"])
    else:
        yield node


def _is_ambiguous(choices: list[Any]) -> bool:
    kinds = {kind for choice in choices for leaf in _leaves(choice) for kind in _kinds(leaf)}
    return any(kinds >= pair for pair in _AMBIGUOUS)


def _kinds(leaf: Schema) -> Iterable[str]:
    """Return the names that `_AMBIGUOUS` has for a type: one, or several for an enumeration."""
    match leaf:
        case {"type": "enum", "cls": cls}:
            return [f"enum of {type(one.value).__name__}" for one in cls]
        case {"type": "lax-or-strict", "strict_schema": {"python_schema": {"cls": _}}}:
            return ["path or address"]
    return [leaf["type"]]


def _is_no_key(node: Schema) -> bool:
    """Return whether values of this type are not stored as text that makes them again."""
    if node["type"] == "enum":
        return not issubclass(node["cls"], str)
    return node["type"] in _NO_KEYS


def _opaque_in(annotation: Any) -> Iterator[type]:
    for kind in (annotation, get_origin(annotation)):
        yield from (one for one in _OPAQUE if kind is one)
    for argument in get_args(annotation):
        yield from _opaque_in(argument)
