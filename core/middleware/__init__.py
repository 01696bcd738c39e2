"""ASGI middleware that every request passes before it reaches a route."""

from core.middleware.body_limit import BodyLimit, allow_body
from core.middleware.client_address import current_request, socket_address
from core.middleware.concurrency_limit import EXEMPT_PATHS, REJECTION
from core.middleware.cors import install_cors
from core.middleware.database_gate import DatabaseGate
from core.middleware.head_requests import HeadAsGet
from core.middleware.proxy_headers import Application
from core.middleware.request_context import RequestContextMiddleware
from core.middleware.startup_errors import StartupErrors
from core.middleware.trusted_host import TrustedHost

__all__ = [
    "EXEMPT_PATHS",
    "REJECTION",
    "Application",
    "BodyLimit",
    "DatabaseGate",
    "HeadAsGet",
    "RequestContextMiddleware",
    "StartupErrors",
    "TrustedHost",
    "allow_body",
    "current_request",
    "install_cors",
    "socket_address",
]
