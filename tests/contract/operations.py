"""A module's routes, as the generated documentation tells them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi.routing import iter_route_contexts

from core.app import create_app
from core.module import Module
from core.settings import Settings
from tests.contract.alone import alone

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of one address of a module. `spec` is what the document says of it, nothing where it is silent."""

    module: str
    method: str
    path: str
    public: bool
    document: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.document["paths"].get(self.path, {}).get(self.method.lower(), {})
        return spec

    @property
    def responses(self) -> dict[str, Any]:
        return dict(self.spec.get("responses", {}))

    @property
    def parameters(self) -> list[dict[str, Any]]:
        return list(self.spec.get("parameters", []))

    @property
    def body(self) -> dict[str, Any]:
        """The media types of the request body, each with what is said of it."""
        return dict(self.spec.get("requestBody", {}).get("content", {}))

    @property
    def roles(self) -> list[str]:
        """The roles that a user needs one of."""
        return [scope for schemes in self.spec.get("security", []) for scopes in schemes.values() for scope in scopes]

    def takes(self, *, header: str) -> bool:
        return any(one["in"] == "header" and one["name"].lower() == header.lower() for one in self.parameters)

    def resolved(self, schema: Schema) -> Schema:
        """The schema that a reference leads to."""
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        return self.resolved(self.document["components"]["schemas"][name]) if name else schema


def document_of(module: Module) -> dict[str, Any]:
    """The documentation of an app with this module alone."""
    return create_app(Settings.model_construct(), alone(module)).openapi()


def operations_of(module: Module) -> list[Operation]:
    """Every route that the module declares, documented or not."""
    return list(_operations(module, document_of(module)))


def _operations(module: Module, document: dict[str, Any]) -> Iterator[Operation]:
    for router, public in ((module.router, False), (module.public_router, True)):
        for route in iter_route_contexts(router.routes if router else ()):
            path = re.sub(r":\w+\}", "}", route.path or "")
            for method in sorted(route.methods or ()):
                yield Operation(module.name, method, path, public, document)
