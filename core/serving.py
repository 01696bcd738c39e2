"""Serving the app by `python main.py`: where, with how many processes, and with which certificate."""

import ssl
from typing import Any

import uvicorn

from core.errors import StartupError
from core.settings import Settings

# How long requests that are under way may take after the service was asked to stop.
GRACE_SECONDS = 10

# How long one of several processes may give no sign of life, as while it imports the app, before it is replaced.
SILENCE_SECONDS = 60


def serve(app: Any, name: str, settings: Settings) -> None:
    """Serve until asked to stop. `name` is where further processes find the app, such as `main:app`. Raises
    `StartupError` for a certificate that cannot be used."""
    _check_certificate(settings)
    several = settings.workers > 1
    uvicorn.run(
        name if several else app,
        host=settings.host,
        port=settings.port,
        ws="none",
        workers=settings.workers,
        ssl_certfile=settings.tls_certfile,
        ssl_keyfile=settings.tls_keyfile,
        log_config=None,
        log_level=settings.log_level.lower(),
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=SILENCE_SECONDS,
    )


def _check_certificate(settings: Settings) -> None:
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
