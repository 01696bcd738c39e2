"""The lookup of routes, and the checks of a request before its body is read."""

from core.routing.declared_routes import DeclaredRoute, declared_routes
from core.routing.deprecation import deprecation
from core.routing.route_table import install_route_table
from core.routing.router import CheckedRoute, ProtectedRoute, ProtectedRouter, PublicRouter, UncachedRoute

__all__ = [
    "CheckedRoute",
    "DeclaredRoute",
    "ProtectedRoute",
    "ProtectedRouter",
    "PublicRouter",
    "UncachedRoute",
    "declared_routes",
    "deprecation",
    "install_route_table",
]
