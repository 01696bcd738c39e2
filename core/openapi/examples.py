"""Examples of request and response bodies, built from the examples of the schemas."""

from collections.abc import Iterator
from copy import deepcopy
from types import GenericAlias
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

Json = dict[str, Any]

NOTHING: Any = object()
"""Stands for a missing example, since None is a valid one."""


class Examples:
    """The examples of all schemas of one OpenAPI document."""

    def __init__(self, schemas: Json) -> None:
        self._schemas = schemas
        self._in_progress: set[int] = set()

    def add_to(self, content: Json) -> None:
        """Add an example to each media type of a request or response body that has none."""
        for media_type in content.values():
            if not media_type.keys() & {"example", "examples"}:
                example = self.of(media_type.get("schema", {}))
                if example is not NOTHING:
                    media_type["example"] = example

    def description_of(self, content: Json) -> str:
        """Return the first sentence of the description of a response's schema, or an empty text."""
        return self._description(next(iter(content.values())).get("schema", {})) if content else ""

    def _description(self, schema: Json) -> str:
        match self._resolved(schema):
            case {"description": str(description)}:
                return " ".join(description.split()).partition(". ")[0].rstrip(".") + "."
            case {"type": "array", "items": items} if described := self._description(items):
                return f"A list. Each item is {described[0].lower()}{described[1:]}"
            case {"anyOf": [choice, *_]}:
                return self._description(choice)
        return ""

    def of(self, schema: Json) -> Any:
        """Return the schema's own example, its default, or an example built from those of its parts.

        Return `NOTHING` if there is no example, as for a schema that contains itself.
        """
        schema = self._resolved(schema)
        if schema.get("examples"):
            return deepcopy(schema["examples"][0])
        if schema.get("default") not in (None, [], {}):
            return schema["default"]
        if id(schema) in self._in_progress:
            return NOTHING
        self._in_progress.add(id(schema))
        try:
            return self._made_of_parts(schema)
        finally:
            self._in_progress.discard(id(schema))

    def _made_of_parts(self, schema: Json) -> Any:
        match schema:
            case {"anyOf": [choice, *_]}:
                return self.of(choice)
            case {"const": value} | {"enum": [value, *_]}:
                return value
            case {"type": "array", "items": items}:
                return self._of_array(items)
            case {"type": "object", "properties": properties}:
                return self._of_object(properties)
        return NOTHING

    def _of_array(self, items: Json) -> Any:
        item = self.of(items)
        return item if item is NOTHING else [item]

    def _of_object(self, properties: Json) -> Any:
        members = {name: self.of(schema) for name, schema in properties.items()}
        return NOTHING if NOTHING in members.values() else members

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema


class _AsWritten(GenerateJsonSchema):
    """A schema generator that preserves the order of the members of an example."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002  # pydantic's
        return value


def examples_with_nulls(app: FastAPI) -> dict[str, list[Any]]:
    """Return the examples of the routes' models by model name, with members that are null, which FastAPI drops."""
    found: dict[str, list[Any]] = {}
    for type_ in _types(app):
        as_item: Any = GenericAlias(list, type_)  # so that the model itself is among the definitions
        definitions = TypeAdapter(as_item).json_schema(schema_generator=_AsWritten).get("$defs", {})
        found |= {name: schema["examples"] for name, schema in definitions.items() if "examples" in schema}
    return found


def _types(app: FastAPI) -> Iterator[Any]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            yield from (field.field_info.annotation for field in (route.response_field, route.body_field) if field)
