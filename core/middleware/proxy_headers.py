"""Removal of uvicorn's proxy headers, so that only `TRUSTED_PROXIES` decides which `X-Forwarded-For` is trusted."""

import logging

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

log = logging.getLogger(__name__)


class Application(FastAPI):
    """The FastAPI application, which turns off uvicorn's own `--proxy-headers` when it starts.

    That option is on by default. It lets every client that connects from 127.0.0.1 choose its address and the scheme
    before the app sees the request, and the app could not detect this. `python main.py` turns it off by itself.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            _turn_off(receive)
        await super().__call__(scope, receive, send)


def _turn_off(receive: Receive) -> None:
    # uvicorn accepts no connection before the app has started, and each connection takes the app from the config.
    config = getattr(getattr(receive, "__self__", None), "config", None)  # `receive` is a method of uvicorn's lifespan
    if isinstance(config, Config) and isinstance(config.loaded_app, ProxyHeadersMiddleware):
        config.loaded_app = config.loaded_app.app
        log.warning(
            "uvicorn's --proxy-headers was turned off, because TRUSTED_PROXIES lists the proxies whose X-Forwarded-For "
            "is trusted. Start uvicorn with --no-proxy-headers."
        )
