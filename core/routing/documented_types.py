"""The types that the API's document describes under their names."""

from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from typing import Any, get_args, get_type_hints, is_typeddict

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute


def add_types_of_routes(routes: Iterable[BaseRoute], owner: str, found: dict[type, str]) -> None:
    """Add the models and enumerations in the parameters, bodies and responses of routes, as `add_types` does.

    If two have the same name, FastAPI documents both under longer names.
    """
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            declared = [route.response_model, *(response.get("model") for response in route.responses.values())]
            for annotation in (*declared, *_parameters(route.dependant)):
                add_types(annotation, owner, found)


def add_types(annotation: Any, owner: str, found: dict[type, str]) -> None:
    """Add the models and enumerations in an annotation, and those in the fields of these, to those that were found
    before, each with its first owner."""
    if isinstance(annotation, type):
        if annotation in found or not _has_a_name(annotation):
            return
        found[annotation] = owner
        for inner in _inner(annotation):
            add_types(inner, owner, found)
    else:
        for argument in get_args(annotation):
            add_types(argument, owner, found)


@cache
def _has_a_name(kind: type) -> bool:
    return issubclass(kind, (BaseModel, Enum)) or is_dataclass(kind) or is_typeddict(kind)


def _inner(kind: type) -> Iterable[Any]:
    if issubclass(kind, BaseModel):
        fields = (field.annotation for field in kind.model_fields.values())
        return *fields, *(field.return_type for field in kind.model_computed_fields.values())
    return () if issubclass(kind, Enum) else get_type_hints(kind).values()


def _parameters(dependant: Dependant) -> Iterator[Any]:
    yield from (field.field_info.annotation for field in dependant.body_params)
    for fields in (dependant.path_params, dependant.query_params, dependant.header_params):
        for annotation in (field.field_info.annotation for field in fields):
            # Of a model of parameters, each field is documented as a parameter.
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from _inner(annotation)
            else:
                yield annotation
    for dependency in dependant.dependencies:
        yield from _parameters(dependency)
