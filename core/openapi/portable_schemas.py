"""Changes of the schemas that FastAPI generates, so that the clients that are generated from them compile and work.

None of them changes what the API accepts or returns.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]


def simplify(document: Json) -> None:
    """Simplify the schemas of the document in place."""
    schemas = document["components"]["schemas"]
    for schema in _parts(schemas.values()):
        _drop_null_default(schema)
        _merge_numbers(schema)
    # Some generators take a member with a default for one that is always there, so that a client cannot leave it out.
    for schema in _parts_of_bodies(document, schemas):
        schema.pop("default", None)


def _drop_null_default(schema: Json) -> None:
    """Remove the default of a member that is left out, not null, if it has no value."""
    if schema.get("default", ...) is None:
        del schema["default"]


def _merge_numbers(schema: Json) -> None:
    """Replace `integer` or `number` by `number`, which includes integers. Some generators make a class of the two."""
    if {"type": "number"} in schema.get("anyOf", ()):
        schema["anyOf"] = [choice for choice in schema["anyOf"] if choice != {"type": "integer"}]
        if len(schema["anyOf"]) == 1:
            schema |= schema.pop("anyOf")[0]


def _parts_of_bodies(document: Json, schemas: Json) -> Iterator[Json]:
    """Yield the schemas of all request bodies, and of what they refer to, each once."""
    operations = (operation for path in document["paths"].values() for operation in path.values())
    contents = (operation.get("requestBody", {}).get("content", {}) for operation in operations)
    waiting = [media_type.get("schema") for content in contents for media_type in content.values()]
    seen: set[str] = set()
    while waiting:
        for schema in _parts([waiting.pop()]):
            yield schema
            name = schema.get("$ref", "").rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                waiting.append(schemas[name])


def _parts(schemas: Iterable[Any]) -> Iterator[Json]:
    """Yield the schemas, and the schemas of their members, items and alternatives."""
    for schema in schemas:
        if isinstance(schema, dict):
            yield schema
            yield from _parts(schema.get("properties", {}).values())
            yield from _parts(schema.get("anyOf", ()))
            yield from _parts([schema.get("items"), schema.get("additionalProperties")])
