"""The server that `python main.py` starts: its address, worker processes, certificate and shutdown."""

import ssl
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from core.errors import StartupError
from core.server.limits import allow_files
from core.server.protocol import Connection
from core.server.tls import Handshake, TlsConfig
from core.settings import Settings

# How long running requests may take after the service is told to stop.
GRACE_SECONDS = 10

# How long a worker may be unresponsive, such as while it imports the app, before it is replaced.
HEALTHCHECK_SECONDS = 60


def serve(app: Any, name: str, settings: Settings) -> None:
    """Serve the app until the process is told to stop.

    `name` is the import string from which worker processes load the app, such as `main:app`. Raise `StartupError` if
    the certificate cannot be used, and `SystemExit` if the start fails.
    """
    check_certificate(settings)
    allow_files(settings.max_connections)
    protocol = Handshake if settings.tls_certfile else Connection
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "http": partial(protocol, max_connections=settings.max_connections),
        "ws": "none",
        "workers": settings.workers,
        "ssl_certfile": settings.tls_certfile,
        "ssl_keyfile": settings.tls_keyfile,
        "log_config": None,
        "log_level": settings.log_level.lower(),
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "timeout_worker_healthcheck": HEALTHCHECK_SECONDS,
    }
    if settings.workers > 1:
        _serve_with_workers(TlsConfig(name, **options))
    else:
        _serve_alone(TlsConfig(app, **options))


def _serve_alone(config: TlsConfig) -> None:
    """Serve in this process only, as `uvicorn.run` does, which does not accept a `Config`.

    For TLS and IPv6 the socket is bound here, as for several workers: otherwise uvicorn would log an `http://` address,
    and `::` would not accept IPv4 connections.
    """
    server = uvicorn.Server(config)
    bound = [config.bind_socket()] if config.is_ssl or ":" in config.host else None
    with suppress(KeyboardInterrupt):
        server.run(bound)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Worker(multiprocess.Process):
    """A worker process whose parent closes its copy of the worker's end of their pipe.

    The parent thus detects immediately that the worker died, even while it waits for a health check.
    """

    def start(self) -> None:
        super().start()
        self.child_conn.close()


class _Workers(multiprocess.Multiprocess):
    """The supervisor of the worker processes, which share a port."""

    def terminate_all(self) -> None:
        """Close the listening sockets first, so that no client waits for workers that are stopping."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _serve_with_workers(config: uvicorn.Config) -> None:
    """Serve with several workers, as `uvicorn.run` does, which exits with status 0 even if no worker could start."""
    multiprocess.Process = _Worker  # type: ignore[misc]  # uvicorn has no option for the class
    workers = _Workers(config, sockets=[config.bind_socket()])
    workers.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes):
        sys.exit(STARTUP_FAILURE)


def check_certificate(settings: Settings) -> None:
    """Raise `StartupError` if the certificate cannot be used."""
    if settings.tls_certfile is None:
        return
    try:
        # An empty password, because OpenSSL would otherwise prompt for one.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certfile, settings.tls_keyfile, password=lambda: b""
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise StartupError(f"TLS_CERTFILE and TLS_KEYFILE cannot be used together: {reason}.") from None
