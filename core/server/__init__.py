"""The uvicorn server that runs the app: connections, limits, processes and TLS."""

from core.server.process import exit_zero_on_sigterm, freeze_gc
from core.server.run import check_certificate, serve

__all__ = [
    "check_certificate",
    "exit_zero_on_sigterm",
    "freeze_gc",
    "serve",
]
