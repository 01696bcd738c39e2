"""The lookup of routes, the checks of a request before its body is read, and the repetition of responses."""

from core.routing.declared_routes import DeclaredRoute, declared_routes
from core.routing.deprecation import deprecation
from core.routing.documented_types import add_types, add_types_of_routes
from core.routing.idempotency import KeyReused
from core.routing.path_overlap import overlap
from core.routing.route_table import install_route_table
from core.routing.router import CheckedRoute, ProtectedRoute, ProtectedRouter, PublicRouter, UncachedRoute
from core.routing.used_keys import UsedKey, forget_responses, hashed_key

__all__ = [
    "CheckedRoute",
    "DeclaredRoute",
    "KeyReused",
    "ProtectedRoute",
    "ProtectedRouter",
    "PublicRouter",
    "UncachedRoute",
    "UsedKey",
    "add_types",
    "add_types_of_routes",
    "declared_routes",
    "deprecation",
    "forget_responses",
    "hashed_key",
    "install_route_table",
    "overlap",
]
