"""The routes of a module, as the generated OpenAPI document describes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi.routing import iter_route_contexts

from core.app import create_app
from core.module import Module
from core.settings import Settings
from tests.contract.isolation import MODULES, isolated
from tests.contract.places import place_of

if TYPE_CHECKING:
    from hypothesis.vendor.pretty import RepresentationPrinter

Schema = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of one path of a module. `spec` is its part of the document; it is empty if there is none.

    `where` is the file and line of its function.
    """

    module: str
    method: str
    path: str
    public: bool
    document: dict[str, Any] = field(repr=False)
    where: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def _repr_pretty_(self, printer: "RepresentationPrinter", _cycle: bool) -> None:
        """Print only the name in messages of Hypothesis, which does not read `repr=False`."""
        printer.text(str(self))

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
        """Return the media types of the request body, each with its documentation."""
        return dict(self.spec.get("requestBody", {}).get("content", {}))

    @property
    def roles(self) -> list[str]:
        """Return the roles of which a user needs one."""
        return [scope for schemes in self.spec.get("security", []) for scopes in schemes.values() for scope in scopes]

    def takes(self, *, header: str) -> bool:
        return any(one["in"] == "header" and one["name"].lower() == header.lower() for one in self.parameters)

    def resolved(self, schema: Schema) -> Schema:
        """Return the schema or, if it is a reference, the schema that it refers to."""
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        return self.resolved(self.document["components"]["schemas"][name]) if name else schema


def document_of(module: Module) -> dict[str, Any]:
    """Return the OpenAPI document of an app with only this module."""
    return create_app(Settings.model_construct(), isolated(module)).openapi()


def operations_of(module: Module) -> list[Operation]:
    """Return every route that the module declares, documented or not."""
    return _of_discovered(module.name) if any(module is one for one in MODULES) else _of(module)


@cache
def _of_discovered(name: str) -> list[Operation]:
    return next(_of(module) for module in MODULES if module.name == name)


def _of(module: Module) -> list[Operation]:
    return list(_operations(module, document_of(module)))


def _operations(module: Module, document: dict[str, Any]) -> Iterator[Operation]:
    for router, public in ((module.router, False), (module.public_router, True)):
        for route in iter_route_contexts(router.routes if router else ()):
            path = re.sub(r":\w+\}", "}", route.path or "")
            for method in sorted(route.methods or ()):
                yield Operation(module.name, method, path, public, document, place_of(route.endpoint))
