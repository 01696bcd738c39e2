"""Documentation of parameters: each with an example, and not nullable, as a URL cannot contain null."""

from typing import Any

from core.openapi.examples import NOTHING, Examples

Json = dict[str, Any]


def document_parameters(parameters: list[Json], examples: Examples) -> None:
    """Complete the documentation of parameters in place."""
    for parameter in parameters:
        parameter["schema"] = schema = without_null(parameter["schema"])
        schema.pop("description", None)
        example = examples.of(schema)
        if example is not NOTHING:
            parameter.setdefault("example", example)


def without_null(schema: Json) -> Json:
    """Return a schema that does not allow null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**choices[0], **{name: value for name, value in schema.items() if name != "anyOf"}}
