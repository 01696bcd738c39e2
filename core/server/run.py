"""Serving the app by `python main.py`: where, with how many processes, and with which certificate; and how it ends."""

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

# How long requests that are under way may take after the service was asked to stop.
GRACE_SECONDS = 10

# How long one of several processes may give no sign of life, as while it imports the app, before it is replaced.
SILENCE_SECONDS = 60


def serve(app: Any, name: str, settings: Settings) -> None:
    """Serve until asked to stop. `name` is where further processes find the app, such as `main:app`. Raises
    `StartupError` for a certificate that cannot be used, and `SystemExit` for a start that fails."""
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
        "timeout_worker_healthcheck": SILENCE_SECONDS,
    }
    if settings.workers > 1:
        _serve_with_workers(TlsConfig(name, **options))
    else:
        _serve_alone(TlsConfig(app, **options))


def _serve_alone(config: TlsConfig) -> None:
    """Serve with this process only, as `uvicorn.run` does, which takes no configuration.

    For TLS and IPv6 the socket is bound as for several processes: otherwise uvicorn would log an address of HTTP, and
    `::` would not take IPv4.
    """
    server = uvicorn.Server(config)
    bound = [config.bind_socket()] if config.is_ssl or ":" in config.host else None
    with suppress(KeyboardInterrupt):
        server.run(bound)
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Worker(multiprocess.Process):
    """One of several processes. Whoever started it does not keep the worker's end of their pipe, and so hears at once
    when it dies, also while waiting for a sign of life."""

    def start(self) -> None:
        super().start()
        self.child_conn.close()


class _Workers(multiprocess.Multiprocess):
    """The processes that share a port."""

    def terminate_all(self) -> None:
        """Let nobody wait at the port for workers that are going."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _serve_with_workers(config: uvicorn.Config) -> None:
    """As `uvicorn.run` does, which ends with status 0 also where no worker could start."""
    multiprocess.Process = _Worker  # type: ignore[misc]  # it takes no class of ours
    workers = _Workers(config, sockets=[config.bind_socket()])
    workers.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in workers.processes):
        sys.exit(STARTUP_FAILURE)


def check_certificate(settings: Settings) -> None:
    """Raises `StartupError` for a certificate that cannot be used."""
    if settings.tls_certfile is None:
        return
    try:
        # Without a password: nobody is there to type it.
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certfile, settings.tls_keyfile, password=lambda: b""
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise StartupError(f"TLS_CERTFILE and TLS_KEYFILE cannot be used together: {reason}.") from None
