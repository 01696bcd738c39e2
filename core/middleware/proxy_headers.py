"""Only `TRUSTED_PROXIES` decides whose `X-Forwarded-For` is believed, whatever server runs the app."""

import logging

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

log = logging.getLogger(__name__)


class Application(FastAPI):
    """The framework's application, which turns off uvicorn's own `--proxy-headers`, as the app starts.

    That option is on by default, and lets whoever connects from 127.0.0.1 choose the client's address and the scheme,
    before the app sees the request: past that, nobody can tell. `python main.py` turns it off by itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            _turn_off(receive)
        await super().__call__(scope, receive, send)


def _turn_off(receive: Receive) -> None:
    # While the app starts, uvicorn has accepted no connection yet; each of them asks the configuration for the app.
    config = getattr(getattr(receive, "__self__", None), "config", None)  # `receive` is a method of what starts the app
    if isinstance(config, Config) and isinstance(config.loaded_app, ProxyHeadersMiddleware):
        config.loaded_app = config.loaded_app.app
        log.warning(
            "uvicorn's --proxy-headers is turned off: TRUSTED_PROXIES names those whose X-Forwarded-For is believed. "
            "Start uvicorn with --no-proxy-headers."
        )
