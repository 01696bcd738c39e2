"""Cross-origin requests: which pages of other origins may call the API from a browser. None may, by default."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from core.claims import METHODS
from core.settings import Settings


def install_cors(app: FastAPI, settings: Settings) -> None:
    """Let pages of the origins in `CORS_ORIGINS` call the API, and read each header that its document names. Costs
    nothing where there are none."""
    if not settings.cors_origins:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_credentials=settings.cors_credentials,
        allow_methods=METHODS,
        allow_headers=["*"],  # which the middleware answers with the very names that were asked for
        expose_headers=sorted(_documented_headers(app.openapi())),
    )


def _documented_headers(document: dict[str, Any]) -> set[str]:
    return {name for answer in _answers(document) for name in answer.get("headers", ())}


def _answers(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document.get("components", {}).get("responses", {}).values()
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                yield from operation.get("responses", {}).values()
