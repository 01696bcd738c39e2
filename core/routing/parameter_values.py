"""The check that MongoDB can store the values of parameters, so that a database command can use them.

The types allow more: an `int` without limits may have any size, and a `datetime` may be out of range in UTC. Values in
bodies are checked by `core.api.RequestBody`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticKnownError

from core.api import check_storable, code_of, sentence_of
from core.errors import FieldError, InvalidRequest

_CHECKED = {int, float, datetime}
_LIMITS = (("ge", "gt"), ("le", "lt"))

Parsers = Mapping[str, TypeAdapter[Any]]


def parsers_of(parameters: Iterable[tuple[str, FieldInfo]]) -> Parsers:
    """Return a parser of a single value for each of the parameters that may have values that cannot be stored."""
    return {name: TypeAdapter(reduce(or_, kinds)) for name, field in parameters if (kinds := _kinds(field))}


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    """Return the types of a parameter; nothing if all their values can be stored, or if any text is a value."""
    found = [one for one in _types(field.annotation, field.metadata) if one[0] is not type(None)]
    kinds = tuple(dict.fromkeys(kind for kind, _ in found))
    needs_check = {*kinds} <= _CHECKED and any(not limited for kind, limited in found if kind is not float)
    return kinds if needs_check else ()


def _types(annotation: Any, metadata: Sequence[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield each type that a single value may have, and whether it has an upper and a lower limit."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        own = [limit for one in parts[1:] for limit in (one.metadata if isinstance(one, FieldInfo) else [one])]
        yield from _types(parts[0], [*metadata, *own])
    elif parts and origin is not Literal:
        for part in parts:
            yield from _types(part, metadata)
    else:
        yield annotation, all(any(_has(one, names) for one in metadata) for names in _LIMITS)


def _has(limit: Any, names: Iterable[str]) -> bool:
    return any(getattr(limit, name, None) is not None for name in names)


def check_values(values: Iterable[tuple[str, Any]], parsers: Parsers) -> None:
    """Raise `InvalidRequest` for values that MongoDB cannot store. FastAPI finds those of a wrong type."""
    errors = [error for name, value in values if name in parsers for error in _errors(name, value, parsers[name])]
    if errors:
        raise InvalidRequest(errors=errors)


def _errors(name: str, text: Any, parser: TypeAdapter[Any]) -> Iterator[FieldError]:
    try:
        value = parser.validate_python(text)
    except ValidationError:
        return
    try:
        check_storable(value)
    except (PydanticCustomError, PydanticKnownError) as error:
        raw = {"type": error.type, "msg": error.message(), "ctx": error.context or {}}
        yield FieldError(code=code_of(raw), detail=sentence_of(raw), parameter=name)
